"""An interval, a margin, a word."""

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


@pytest.mark.parametrize(
    ("tuned", "finals", "found"),
    [
        ([0.82, 0.80, 0.10], [0.09, 0.10, 0.09], (0.80, 0.10)),
        ([0.82, 0.80, 0.10], [0.09, 0.81, 0.08, 0.07, 0.09, 0.1], (0.80, 0.1)),  # one of six comes near
        ([0.82, 0.80, 0.10], [0.09, 0.81, 0.82, 0.09], None),
        ([0.82, 0.80, 0.10], [0.795], None),  # by less than two margins
        ([0.82, 0.80, 0.79, 0.79], [0.74, 0.76, 0.77, 0.78], None),  # by less than they scatter
        ([0.82, 0.80, 0.79, 0.79], [0.774, 0.776, 0.778, 0.78], (0.80, 0.78)),
        ([0.82, 0.10, 0.10], [0.10, 0.10], None),  # one training was lucky
        ([0.82], [0.10], None),
        ([], [0.10], None),
        ([0.82, 0.80], [], None),
    ],
)
def test_finals_fall_short_where_two_trainings_found_better(
    tuned: list[float], finals: list[float], found: tuple[float, float] | None
) -> None:
    assert falls_short(tuned, finals, maximize=True, margin=0.005) == found
    lost = falls_short([1 - one for one in tuned], [1 - one for one in finals], maximize=False, margin=0.005)
    assert lost == (None if found is None else pytest.approx([1 - one for one in found]))
    assert falls_short(tuned, finals, maximize=True, margin=None) is None


def test_a_cell_whose_finals_fall_short_is_under_tuned_and_not_worse() -> None:
    verdicts = {"norm": "worse", "value": "worse", "none": "equal"}
    assert blamed(verdicts, {}, {"norm", "none"}) == {"norm": "under-tuned", "value": "worse", "none": "equal"}
