"""An interval, a margin, a word."""

import numpy as np
import pytest

from regimens.stats.verdicts import blamed, falls_short, verdict


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.02, "better"),
        (-0.02, -0.01, "worse"),
        (-0.02, 0.01, "undecided"),
        (-0.004, 0.003, "equal"),
        (0.001, 0.004, "equal"),  # known to be above 0, and known to be less than what matters
        (0.001, 0.006, "better"),
        (-0.005, 0.001, "undecided"),  # the margin itself is not inside it
    ],
)
def test_the_word_follows_from_the_interval(low: float, high: float, word: str) -> None:
    assert verdict(low, high, maximize=True, margin=0.005) == word


def test_less_is_better_where_the_metric_says_so() -> None:
    assert verdict(0.01, 0.02, maximize=False, margin=None) == "worse"
    assert verdict(-0.02, -0.01, maximize=False, margin=None) == "better"


def test_without_a_margin_nothing_is_equal() -> None:
    assert verdict(-1e-9, 1e-9, maximize=True, margin=None) == "undecided"


def test_a_cell_below_what_it_contains_is_under_tuned_and_not_worse() -> None:
    verdicts = {"l2": "worse", "dropout": "worse", "max_norm": "undecided", "none": "equal"}
    told = blamed(verdicts, {"l2": "worse", "dropout": "undecided", "max_norm": "worse"})
    assert told == {"l2": "under-tuned", "dropout": "worse", "max_norm": "undecided", "none": "equal"}


GOOD = [0.10, 0.82, 0.79, 0.80, 0.81, 0.76]  # its upper quartile is 0.81


@pytest.mark.parametrize(
    ("tuned", "finals", "found"),
    [
        (GOOD, [0.09, 0.10, 0.09], (0.81, 0.10)),
        (GOOD, [0.09, 0.81, 0.09, 0.09], (0.81, 0.09)),  # one of four comes near
        (GOOD, [0.09, 0.81, 0.82, 0.09], None),
        (GOOD, [None, None, None, 0.8], (0.81, None)),  # the others diverged
        (GOOD, [None, None, 0.82, 0.82], None),
        (GOOD, [0.801, 0.802, 0.803], None),  # by less than two margins
        (GOOD, [0.74, 0.76, 0.78, 0.79], None),  # by less than they scatter
        (GOOD, [0.784, 0.786, 0.788, 0.79], (0.81, 0.788)),
        ([0.82, *[0.10] * 4], [0.10, 0.10, 0.10], None),  # one training was lucky
        (GOOD, [0.1, 0.1], None),
        ([], [0.1, 0.1, 0.1], None),
    ],
)
def test_finals_fall_short_where_much_of_the_tuning_was_better(
    tuned: list[float], finals: list[float | None], found: tuple[float, float | None] | None
) -> None:
    assert falls_short(tuned, finals, maximize=True, margin=0.005) == found
    losses = [None if one is None else 1 - one for one in finals]
    lost = falls_short([1 - one for one in tuned], losses, maximize=False, margin=0.005)
    assert (lost is None) == (found is None)
    if found and lost:
        assert [one and 1 - one for one in lost] == [one and pytest.approx(one) for one in found]
    assert falls_short(tuned, finals, maximize=True, margin=None) is None


@pytest.mark.parametrize("trials", [5, 13, 50, 200])
@pytest.mark.parametrize("finals", [3, 5, 10])
def test_luck_among_many_trials_is_no_reason_to_blame_finals(trials: int, finals: int) -> None:
    rng = np.random.default_rng(trials + finals)
    drawn = (rng.normal(0.8, 0.01, trials + finals).tolist() for _ in range(1000))
    found = sum(falls_short(one[:trials], one[trials:], maximize=True, margin=0.005) is not None for one in drawn)
    assert found <= 20


def test_a_cell_whose_finals_fall_short_is_under_tuned_and_not_worse() -> None:
    verdicts = {"norm": "worse", "value": "worse", "none": "equal"}
    assert blamed(verdicts, {}, {"norm", "none"}) == {"norm": "under-tuned", "value": "worse", "none": "equal"}
