"""Means over crossed samples: the textbook's two-way analysis of variance, and numbers worked out elsewhere."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from regimens.stats.random_effects import crossed, fieller, mean_squares, student
from tests.conftest import CONF

REPORTS = CONF.parent / "reports"


def test_the_interval_of_one_sample_is_students() -> None:
    values = [0.81, 0.83, 0.80, 0.84, 0.82]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (student(values).low, student(values).high) == (pytest.approx(low), pytest.approx(high))
    assert student([0.5]).low is None


def test_mean_squares_are_those_of_statsmodels() -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = np.random.default_rng(0).standard_normal((5, 3))
    rows, columns = np.indices(table.shape)
    frame = pd.DataFrame({"y": table.ravel(), "a": rows.ravel(), "b": columns.ravel()})
    told = anova_lm(ols("y ~ C(a) + C(b)", frame).fit())["mean_sq"]
    assert mean_squares(table) == pytest.approx(tuple(told))


def test_a_table_of_one_column_is_one_sample() -> None:
    values = [0.81, 0.83, 0.80, 0.84]
    assert crossed(np.array(values)[:, None]) == student(values)
    assert crossed(np.array(values)[None, :]) == student(values)


def test_networks_that_do_not_differ_leave_the_seeds() -> None:
    rng = np.random.default_rng(1)
    seeds = rng.standard_normal((30, 1)) + 0.01 * rng.standard_normal((30, 4))
    one, alone = crossed(seeds), student(seeds.mean(axis=1))
    assert one.se == pytest.approx(alone.se, rel=0.02)
    assert one.df == pytest.approx(29, rel=0.05)


def test_test_images_widen_an_interval() -> None:
    table = np.random.default_rng(2).standard_normal((10, 3))
    plain, wide = crossed(table), crossed(table, more=1.0)
    assert plain.se is not None and wide.se is not None
    assert wide.se**2 == pytest.approx(plain.se**2 + 1.0)


def rows(path: Path) -> list[dict[str, float]]:
    with path.open() as file:
        return [{k: float(v) if k != "model" else hash(v) for k, v in row.items()} for row in csv.DictReader(file)]


def tables(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(errors from scratch, errors transferred), seeds x networks."""
    found = rows(path)
    seeds, models = ({r[key] for r in found} for key in ("seed", "model"))
    at = {(r["seed"], r["model"]): r for r in found}
    scratch, moved = (
        np.array([[1 - at[s, m][name] for m in sorted(models)] for s in sorted(seeds)])
        for name in ("scratch", "transferred")
    )
    return scratch, moved


def test_fieller_over_seeds_is_the_closed_form() -> None:
    rng = np.random.default_rng(3)
    below = 0.012 + 0.003 * rng.standard_normal(12)
    above = 1.6 * below + 0.002 * rng.standard_normal(12)
    t = stats.t.ppf(0.975, 11)
    covariance = np.cov(above, below) / 12
    a = below.mean() ** 2 - t**2 * covariance[1, 1]
    b = above.mean() * below.mean() - t**2 * covariance[0, 1]
    c = above.mean() ** 2 - t**2 * covariance[0, 0]
    ends = (b + np.array([-1, 1]) * np.sqrt(b**2 - a * c)) / a
    assert fieller(above[:, None], below[:, None]) == pytest.approx(tuple(ends))


def test_a_denominator_that_may_be_zero_has_no_interval() -> None:
    assert fieller(np.array([[1.0], [2.0], [3.0]]), np.array([[0.1], [-0.1], [0.05]])) is None
