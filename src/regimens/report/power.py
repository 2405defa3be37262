"""What a study could have seen: the smallest difference that so few seeds detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from regimens.report.tables import Cell

ALPHA = 0.05
POWER = 0.8


def detectable(sd: float, n: int, comparisons: int = 1) -> float | None:
    """The smallest mean difference that a paired t-test of `n` pairs detects with a power of 80%; None below two.

    sd: of the paired differences. comparisons: how many share the error rate of 5% (Holm's first, strictest step).
    The power is that of the noncentral t distribution (Cohen 1988, chapter 2), integrated over the estimated sd.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    if n < 2 or not sd > 0:
        return None
    df = n - 1
    critical = float(t.ppf(1 - ALPHA / (2 * max(comparisons, 1)), df))
    shares = (np.arange(4000) + 0.5) / 4000
    thresholds = critical * np.sqrt(chi2.ppf(shares, df) / df)

    def lacking(shift: float) -> float:
        return float(norm.sf(thresholds - shift).mean()) - POWER

    return float(brentq(lacking, 0.0, thresholds[-1] + 5)) * sd / n**0.5


def resolution(best: Cell, others: Sequence[Cell], metric: str, comparisons: int) -> float | None:
    """The smallest difference from `best` that the study could have told, at the median spread of `others`."""
    spreads = [(float(np.std(d, ddof=1)), len(d)) for c in others if len(d := _differences(best, c, metric)) > 1]
    if not spreads:
        return None
    sd, n = np.median([s for s, _ in spreads]), min(n for _, n in spreads)
    return detectable(float(sd), n, comparisons)


def _differences(one: Cell, other: Cell, metric: str) -> list[float]:
    ours, theirs = _by_seed(one, metric), _by_seed(other, metric)
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]


def _by_seed(cell: Cell, metric: str) -> Mapping[int, float]:
    return {t.seed: v for t in cell.finals if (v := t.metric(metric)) is not None}
