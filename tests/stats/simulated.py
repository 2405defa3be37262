"""Samples from known worlds, for tests that count how often an interval or a verdict is wrong."""

from __future__ import annotations

import numpy as np

from regimens.stats.sample import Sample

Rng = np.random.Generator


def cells(rng: Rng, n: int, sds: list[float], means: list[float] | None = None) -> dict[str, Sample]:
    """Normal cells of these deviations, all of mean 0 unless `means` says another."""
    shifts = means or [0.0] * len(sds)
    return {
        str(i): Sample.of(m + sd * rng.standard_normal(n)) for i, (sd, m) in enumerate(zip(sds, shifts, strict=True))
    }


def on_images(
    rng: Rng, k: int, n: int, m: int, *, taste: float = 0.4, seed: float = 0.05
) -> tuple[dict[str, Sample], float]:
    """k equally good cells of n networks on the same m images, and what share each gets right in the long run.

    Images differ in difficulty (deviation 1.2), cells in which of them they find hard (`taste`), networks in how good
    they are (`seed`), and the rest is chance (0.5).
    """
    hard = 1.2 * rng.standard_normal(m)
    made = {}
    for i in range(k):
        ease = hard + taste * rng.standard_normal(m)
        score = 1.5 + ease + seed * rng.standard_normal((n, 1)) + 0.5 * rng.standard_normal((n, m))
        right = score > 0
        made[str(i)] = Sample.of(right.mean(axis=1), right, "images")
    from scipy.stats import norm

    return made, float(norm.cdf(1.5 / np.sqrt(1.2**2 + taste**2 + seed**2 + 0.5**2)))


def at_most(share: float, repeats: int) -> float:
    """What a true error rate of `share` stays below, with three standard errors, in so many repeats."""
    return share + 3 * float(np.sqrt(share * (1 - share) / repeats))


def at_least(share: float, repeats: int) -> float:
    """What a true coverage of `share` stays above, likewise."""
    return share - 3 * float(np.sqrt(share * (1 - share) / repeats))
