"""Looking repeatedly: the published levels, and what stays settled."""

import numpy as np
import pytest

from regimens.stats.sequential import level_at, nominal_levels, open_comparisons
from tests.stats.simulated import at_most


def test_a_single_look_has_the_whole_level() -> None:
    assert nominal_levels((1.0,)) == (pytest.approx(0.05),)
    assert level_at(1, 1) == pytest.approx(0.05)


def test_the_first_level_is_what_is_spent_by_then() -> None:
    assert nominal_levels((0.25, 1.0), power=1.0)[0] == pytest.approx(0.05 / 4, rel=1e-6)
    assert nominal_levels((0.25, 1.0), power=2.0)[0] == pytest.approx(0.05 / 16, rel=1e-6)


def test_levels_are_those_of_a_numerical_integral() -> None:
    from scipy.stats import multivariate_normal, norm

    levels = nominal_levels((0.5, 1.0), power=1.0)
    bounds = norm.isf(np.array(levels) / 2)
    together = multivariate_normal([0, 0], [[1, 0.5**0.5], [0.5**0.5, 1]])
    assert 1 - together.cdf(bounds, lower_limit=-bounds) == pytest.approx(0.05, abs=1e-4)


def test_all_looks_together_err_at_the_level() -> None:
    from scipy.stats import norm

    rng, repeats = np.random.default_rng(0), 100_000
    times = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    sums = np.cumsum(rng.standard_normal((repeats, 5)), axis=1) / np.sqrt(5 * times)
    wrong = (2 * norm.sf(np.abs(sums)) <= np.array(nominal_levels(tuple(times)))).any(axis=1).mean()
    assert wrong == pytest.approx(0.05, abs=at_most(0.05, repeats) - 0.05)


def test_a_first_round_settles_what_is_clear_and_leaves_the_rest_open() -> None:
    rng = np.random.default_rng(1)
    values = {
        label: list(mean + 0.001 * rng.standard_normal(5)) for label, mean in (("a", 0.85), ("b", 0.8501), ("c", 0.5))
    }
    told = open_comparisons(values, 1, 4, margin=0.0005)
    assert told["c"] == "worse"
    assert sorted(told[label] for label in "ab") == ["best", "undecided"]


def test_equal_within_the_margin_is_settled() -> None:
    rng = np.random.default_rng(2)
    values = {label: list(0.85 + 0.0005 * rng.standard_normal(5)) for label in "abc"}
    told = open_comparisons(values, 1, 4, margin=0.01)
    assert sorted(told.values()) == ["best", "equal", "equal"]


def test_what_was_settled_stays_so() -> None:
    values = {"a": [0.5, 0.6, 0.7], "b": [0.5, 0.6, 0.71]}
    told = open_comparisons(values, 2, 4, margin=None, settled={"a": "worse", "b": "undecided"})
    assert told == {"a": "worse", "b": "best"}


def test_a_reference_is_compared_with_instead_of_the_best() -> None:
    rng = np.random.default_rng(3)
    values = {
        label: list(mean + 0.001 * rng.standard_normal(5)) for label, mean in (("a", 0.8), ("b", 0.9), ("c", 0.5))
    }
    told = open_comparisons(values, 1, 2, margin=None, reference="a")
    assert told == {"a": "reference", "b": "better", "c": "worse"}


def test_one_final_leaves_everything_open() -> None:
    assert open_comparisons({"a": [0.5], "b": [0.9]}, 1, 3, margin=None) == {"a": "untested", "b": "best"}
