"""An interval, a margin, a word."""

import pytest

from regimens.stats.verdicts import blamed, verdict


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
