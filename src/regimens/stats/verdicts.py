"""The words for a difference: better, worse, equal within a margin, undecided; and under-tuned."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from regimens.stats.response_curve import MARGINS

BETTER, WORSE, EQUAL, UNDECIDED, UNTESTED = "better", "worse", "equal", "undecided", "untested"
UNDER_TUNED = "under-tuned"
#: finals of a cell that can be said to fall short of its tuning
FEWEST = 3
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
    tuned: Sequence[float], finals: Sequence[float | None], *, maximize: bool, margin: float | None
) -> tuple[float, float | None] | None:
    """Where a cell's finals miss what its tuning found: the upper quartiles of its tuning trials and of its finals.

    tuned, finals: in the metric that tuning selects by; a final that diverged is None, and so is the quartile of those
    that did. A value is chosen by a single training each, and beside values with which training fails it may fail from
    other seeds. Finals fall short where the quartile of the tuning, which many noisy trials do not raise as they raise
    its best, is above theirs by more than two margins plus twice the width of their middle half. Nothing is said of
    fewer than three finals.
    """
    if margin is None or not tuned or len(finals) < FEWEST:
        return None
    sign = 1 if maximize else -1
    found = _upper(sorted(sign * one for one in tuned))
    ordered = sorted(-math.inf if one is None else sign * one for one in finals)
    lower, upper = ordered[len(ordered) // 4], _upper(ordered)
    if upper == -math.inf:
        return sign * found, None
    return (sign * found, sign * upper) if found - upper > MARGINS * margin + 2 * (upper - lower) else None


def _upper(ordered: Sequence[float]) -> float:
    """The upper quartile: three of four, rounded up, are not above it."""
    return ordered[math.ceil(len(ordered) * 3 / 4) - 1]


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
