"""Ranks over problems, against scipy, and by hand."""

import numpy as np
import pytest
from scipy import stats

from regimens.stats.ranks import ranks

TABLE = {
    "one": {"sgd": 0.5, "adam": 0.9, "nadam": 0.8},
    "two": {"sgd": 0.6, "adam": 0.7, "nadam": 0.7},
    "three": {"sgd": 0.4, "adam": 0.8, "nadam": 0.7},
    "four": {"sgd": 0.9, "adam": 0.8, "nadam": 0.7},
}


def test_mean_ranks_and_friedman_s_test() -> None:
    found = ranks(TABLE, "sgd", maximize=True)
    assert found is not None
    assert dict(found.mean) == {"adam": pytest.approx(1.375), "nadam": pytest.approx(2.125), "sgd": pytest.approx(2.5)}
    assert list(found.mean) == ["adam", "nadam", "sgd"]
    columns = [[row[label] for row in TABLE.values()] for label in ("sgd", "adam", "nadam")]
    assert found.p == pytest.approx(stats.friedmanchisquare(*columns).pvalue)
    # Nemenyi: the studentized range of the difference of mean ranks, k = 3, N = 4 (Demšar 2006, section 3.2.2)
    q = (2.5 - 1.375) / np.sqrt(3 * 4 / (6 * 4))
    expected = stats.studentized_range.sf(q * np.sqrt(2), 3, np.inf)
    assert found.nemenyi["sgd"]["adam"] == pytest.approx(expected, abs=1e-3)


def test_the_gain_is_a_mean_over_problems_with_student_s_interval() -> None:
    found = ranks(TABLE, "sgd", maximize=True)
    assert found is not None
    gains = np.array([row["adam"] - row["sgd"] for row in TABLE.values()])
    low, high = stats.t.interval(0.95, 3, gains.mean(), gains.std(ddof=1) / 2)
    one = found.gain["adam"]
    assert (one.mean, one.low, one.high) == pytest.approx((gains.mean(), low, high))
    assert "sgd" not in found.gain


def test_less_is_better_where_it_is() -> None:
    found = ranks(TABLE, "sgd", maximize=False)
    assert found is not None and next(iter(found.mean)) == "sgd"


def test_what_never_finished_on_a_problem_is_last_there_and_has_no_gain() -> None:
    table = {problem: dict(row) for problem, row in TABLE.items()}
    table["four"]["sgd"] = None
    found = ranks(table, "nadam", maximize=True)
    assert found is not None and found.mean["sgd"] == 3.0
    assert set(found.gain) == {"adam"}


def test_one_problem_or_one_label_has_no_ranks() -> None:
    assert ranks({"one": TABLE["one"]}, "sgd", maximize=True) is None
    assert ranks({p: {"sgd": 1.0} for p in TABLE}, "sgd", maximize=True) is None


def test_two_labels_are_compared_by_their_gain_alone() -> None:
    found = ranks({p: {k: row[k] for k in ("sgd", "adam")} for p, row in TABLE.items()}, "sgd", maximize=True)
    assert found is not None and found.p is None and not found.nemenyi and set(found.gain) == {"adam"}
