"""Families of comparisons, against scipy where it has the same, and against what has to hold."""

import numpy as np
import pytest
from scipy import stats

from regimens.stats.comparisons import Rule, against_best, against_pairs, against_reference, best_of
from regimens.stats.sample import Sample
from tests.stats.simulated import cells, on_images

# lecun_normal with sigmoid and he_normal with relu, of 16 cells at n = 3, in a report of the desk scale
FAR, BEST = [0.3556, 0.4336, 0.4345], [0.8052, 0.8192, 0.8239]


def others(count: int = 14) -> dict[str, Sample]:
    rng = np.random.default_rng(0)
    return {f"other {i}": Sample.of(0.79 + 0.01 * rng.standard_normal(3)) for i in range(count)}


def test_two_cells_are_compared_by_welchs_test() -> None:
    ours, theirs = [0.70, 0.80, 0.90, 0.60, 0.75], [0.58, 0.55, 0.57, 0.56, 0.54]
    found = against_reference({"a": Sample.of(ours), "b": Sample.of(theirs)}, "b", Rule())["a"]
    told = stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.df == pytest.approx(told.df)
    assert found.p == pytest.approx(told.pvalue / 0.75)  # what is taken off the level of few units
    assert found.level == pytest.approx(0.05 * 0.75)
    narrow = told.confidence_interval(1 - 0.0375)
    assert (found.low, found.high) == pytest.approx((narrow.low, narrow.high))


def test_a_cell_far_below_the_best_is_worse_at_three_seeds_among_sixteen_cells() -> None:
    found = against_best({"far": Sample.of(FAR), "best": Sample.of(BEST), **others()}, Rule(margin=0.005))
    assert found["far"].against == "best"
    assert found["far"].verdict == "worse"


def test_differences_that_agree_by_chance_do_not_make_a_small_one_worse() -> None:
    # A paired test of these gives p < 0.001, since the three differences agree to 0.02 points.
    close = [x - 0.0215 + e for x, e in zip(BEST, (0.0001, -0.0001, 0.0), strict=True)]
    assert stats.ttest_rel(close, BEST).pvalue < 0.001
    found = against_best({"close": Sample.of(close), "best": Sample.of(BEST), **others()}, Rule())
    assert found["close"].verdict == "undecided"


def test_more_cells_widen_every_interval() -> None:
    rng = np.random.default_rng(3)
    values = [Sample.of(rng.standard_normal(5)) for _ in range(12)]
    widths = []
    for count in (2, 4, 12):
        found = against_reference({str(i): one for i, one in enumerate(values[:count])}, "0", Rule())["1"]
        assert found.high is not None and found.low is not None
        widths.append(found.high - found.low)
    assert widths == sorted(widths)


def test_p_and_interval_agree_on_zero() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        made = cells(rng, 5, [1.0] * 4, [0.0, 1.0, 2.0, 3.0])
        for one in against_best(made, Rule(draws=999)).values():
            assert one.p is not None and one.low is not None and one.high is not None
            assert (one.p <= 0.05) == (one.low > 0 or one.high < 0)


def test_the_same_values_give_the_same_numbers() -> None:
    made = cells(np.random.default_rng(6), 4, [1.0, 2.0, 3.0])
    assert against_best(made, Rule()) == against_best(made, Rule())


def test_the_images_that_cells_share_widen_what_seeds_alone_would_call_different() -> None:
    made, _ = on_images(np.random.default_rng(4), 2, 10, 300, taste=0.8, seed=0.01)
    blind = {label: Sample.of(one.values) for label, one in made.items()}
    seen, unseen = (against_reference(one, "0", Rule())["1"] for one in (made, blind))
    assert seen.se is not None and unseen.se is not None
    assert seen.se > 2 * unseen.se


def test_one_unit_tests_nothing() -> None:
    found = against_best({"a": Sample.of([0.9]), "b": Sample.of([0.1, 0.2]), "c": Sample.of([0.1, 0.2])}, Rule())
    assert {one.verdict for one in found.values()} == {"untested"}


@pytest.mark.parametrize(("n", "word"), [(2, "untested"), (3, "untested"), (8, "better")])
def test_cells_without_spread_are_held_to_their_permutations(n: int, word: str) -> None:
    found = against_reference({"a": Sample.of([0.975] * n), "b": Sample.of([0.972] * n)}, "b", Rule())["a"]
    assert found.verdict == word


def test_the_best_is_the_first_of_equals() -> None:
    made = {"a": Sample.of([0.5, 0.5]), "b": Sample.of([0.5, 0.5]), "c": Sample.of([0.1, 0.1])}
    assert (best_of(made, maximize=True), best_of(made, maximize=False)) == ("a", "c")


def test_what_a_cell_contains_is_compared_where_it_is_there() -> None:
    made = cells(np.random.default_rng(7), 5, [0.1] * 3, [0.0, -1.0, 0.0])
    found = against_pairs(made, {"1": "0", "2": "gone"}, Rule())
    assert list(found) == ["1"]
    assert (found["1"].against, found["1"].verdict) == ("0", "worse")


def test_two_cells_that_agree_on_every_image_leave_a_third_one_its_interval() -> None:
    """Their difference is 0 but for rounding, which is no evidence of anything, and none against the third either."""
    rng = np.random.default_rng(0)
    right = (rng.random(36) < 0.97).astype(float)
    rows = {"a": [right, right], "b": [right, right], "c": [right * (rng.random(36) < s) for s in (0.6, 0.8)]}
    made = {
        label: Sample(np.array([one.mean() for one in told]), np.array(told), "same") for label, told in rows.items()
    }
    found = against_best(made, Rule(margin=0.005))
    assert found["c"].verdict == "undecided"
    low, high = found["c"].low, found["c"].high
    assert low is not None and high is not None and low < found["c"].diff < high
