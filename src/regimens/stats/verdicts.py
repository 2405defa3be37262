"""The words for a difference: better, worse, equal within a margin, undecided; and under-tuned."""

from __future__ import annotations

from collections.abc import Mapping

BETTER, WORSE, EQUAL, UNDECIDED, UNTESTED = "better", "worse", "equal", "undecided", "untested"
UNDER_TUNED = "under-tuned"
#: verdicts that more finals may still change
OPEN = (UNDECIDED, UNTESTED)


def verdict(low: float, high: float, *, maximize: bool, margin: float | None) -> str:
    """What a difference's interval says.

    "equal" where it lies within ± margin: two one-sided tests (Schuirmann 1987) at half the interval's error rate each,
    so they are the stricter ones; a difference that is known to be smaller than what matters is equal, also if it is
    known not to be 0. Else "better" or "worse" where it does not hold 0, and "undecided" where it does.
    """
    if margin is not None and -margin < low and high < margin:
        return EQUAL
    if low > 0 or high < 0:
        return BETTER if (low > 0) == maximize else WORSE
    return UNDECIDED


def blamed(verdicts: Mapping[str, str], against_contained: Mapping[str, str]) -> dict[str, str]:
    """`verdicts` where "worse" is "under-tuned" for a cell that ends detectably below the cell that it contains.

    Such a cell can do whatever the other one does, so that it lost says that it was tuned too little.
    """
    return {
        label: UNDER_TUNED if word == WORSE and against_contained.get(label) == WORSE else word
        for label, word in verdicts.items()
    }
