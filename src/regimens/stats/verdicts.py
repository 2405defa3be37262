"""The words for a difference: better, worse, equal within a margin, undecided; and under-tuned."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from regimens.stats.response_curve import MARGINS

BETTER, WORSE, EQUAL, UNDECIDED, UNTESTED = "better", "worse", "equal", "undecided", "untested"
UNDER_TUNED = "under-tuned"
#: the share of a cell's finals that has to fall short of its tuning
MOST = 0.75
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


def falls_short(
    tuned: Sequence[float], finals: Sequence[float], *, maximize: bool, margin: float | None
) -> tuple[float, float] | None:
    """(what tuning found, what most finals stay at or below) of a cell whose finals miss its tuning; None of any other.

    tuned, finals: in the metric that tuning selects by. A value is chosen by a single training each, and next to
    values with which training fails it may fail from other seeds. So finals fall short where two tuning trials came out
    above three quarters of them, the second by more than what is as good as the best and the finals' middle half is
    wide: one lucky trial says nothing, and the best of many noisy ones little.
    """
    if margin is None or len(tuned) < 2 or not finals:
        return None
    sign = 1 if maximize else -1
    _, found = sorted((sign * one for one in tuned), reverse=True)[:2]
    ordered = sorted(sign * one for one in finals)
    last = len(finals) - 1
    few, most = ordered[math.floor((1 - MOST) * last)], ordered[math.ceil(MOST * last)]
    return (sign * found, sign * most) if found - most > MARGINS * margin + (most - few) else None


def blamed(
    verdicts: Mapping[str, str], against_contained: Mapping[str, str], short: Collection[str] = ()
) -> dict[str, str]:
    """`verdicts` where "worse" is "under-tuned" for a cell that ends detectably below the cell that it contains.

    Such a cell can do whatever the other one does, so that it lost says that it was tuned too little. So does it of the
    cells in `short`, whose finals fall short of their own tuning.
    """
    return {
        label: UNDER_TUNED if word == WORSE and (against_contained.get(label) == WORSE or label in short) else word
        for label, word in verdicts.items()
    }
