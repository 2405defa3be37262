"""What can be said about cells from the results of their finals; scipy and statsmodels do the computing.

Comparisons are paired by seed: the same seeds train every cell. The best cell is chosen by the same data that it is
then compared on, so `vs_best` says which cells cannot be told from it, not by how much it will win next time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CONFIDENCE = 0.95
ALPHA = 0.05
RESAMPLES = 9999
NO_DIFFERENCE = "no detectable difference"


def interval(values: Sequence[float], seed: int) -> tuple[float | None, float | None]:
    """The bootstrap 95% interval of the mean, the same for the same values and seed; (None, None) below n = 2.

    Percentiles of 9,999 resamples (`scipy.stats.bootstrap`); with a handful of seeds it is too narrow rather than too
    wide, and n stands beside it.
    """
    if len(values) < 2:
        return None, None
    if len(set(values)) == 1:
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def compare(ours: Mapping[int, float], theirs: Mapping[int, float], seed: int) -> dict[str, Any]:
    """Two cells, each seed -> value, by the differences at the seeds that both have.

    Returns:
        n, diff (mean of ours minus theirs), its interval, p of the paired t-test, effect_size (Cohen's d of the
        differences: their mean in units of their standard deviation). What n does not allow is None.
    """
    common = sorted(ours.keys() & theirs.keys())
    differences = [ours[one] - theirs[one] for one in common]
    low, high = interval(differences, seed)
    return {
        "n": len(common),
        "diff": float(np.mean(differences)) if differences else None,
        "ci_low": low,
        "ci_high": high,
        "p": paired_p(differences),
        "p_holm": None,
        "effect_size": effect_size(differences),
        "verdict": None,
    }


def paired_p(differences: Sequence[float]) -> float | None:
    """p of the paired t-test; None below n = 2.

    Differences without spread, as accuracies on a small test set may have, leave that test nothing to measure by: then
    p is 1 if they are 0, and else that of the sign test.
    """
    if len(differences) < 2:
        return None
    from scipy.stats import binomtest, ttest_1samp

    if not _spread(differences):
        return 1.0 if np.allclose(differences, 0, atol=1e-12) else float(binomtest(0, len(differences)).pvalue)
    return float(ttest_1samp(differences, 0.0).pvalue)


def effect_size(differences: Sequence[float]) -> float | None:
    """Cohen's d of paired differences (Cohen 1988, d_z); None where they have no spread."""
    if len(differences) < 2 or not _spread(differences):
        return None
    return float(np.mean(differences) / np.std(differences, ddof=1))


def _spread(differences: Sequence[float]) -> bool:
    """Whether they differ by more than the rounding of a subtraction does."""
    return bool(np.ptp(differences) > 1e-12)


def correct(comparisons: Sequence[dict[str, Any]], *, maximize: bool) -> None:
    """Fill in Holm's correction over a family of comparisons, and each one's verdict in words."""
    tested = [one for one in comparisons if one["p"] is not None]
    if tested:
        from statsmodels.stats.multitest import multipletests

        for one, p in zip(tested, multipletests([t["p"] for t in tested], method="holm")[1], strict=True):
            one["p_holm"] = float(p)
    for one in comparisons:
        one["verdict"] = verdict(one, maximize=maximize)


def verdict(comparison: Mapping[str, Any], *, maximize: bool) -> str:
    """A comparison in words."""
    if comparison["p_holm"] is None:
        return f"not tested (n = {comparison['n']})"
    if comparison["p_holm"] >= ALPHA:
        return NO_DIFFERENCE
    return "better" if (comparison["diff"] > 0) == maximize else "worse"


def expected_best(values: Sequence[float], *, maximize: bool) -> list[float]:
    """The expected best of n of these trials, for n = 1 .. all: what a smaller budget would have found.

    Draws with replacement; Dodge et al. 2019, "Show Your Work", equation 1.
    """
    ordered = np.sort(np.asarray(values, dtype=float) * (1 if maximize else -1))
    count = len(ordered)
    below = np.arange(count + 1) / count if count else np.zeros(1)
    sign = 1 if maximize else -1
    return [float(sign * np.sum(ordered * np.diff(below**n))) for n in range(1, count + 1)]


def pareto(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """The indices of the points that no other point beats in one objective without losing in another."""
    signs = np.asarray([1.0 if direction == "maximize" else -1.0 for direction in directions])
    table = np.asarray(points, dtype=float).reshape(len(points), len(directions)) * signs
    return [
        index
        for index, row in enumerate(table)
        if not np.any(np.all(table >= row, axis=1) & np.any(table > row, axis=1))
    ]
