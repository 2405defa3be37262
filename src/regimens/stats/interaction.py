"""Whether what one compared axis does depends on the other: the interaction of a two-way grid of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regimens.stats.comparisons import root
from regimens.stats.sample import Array, Means, Sample, means

DRAWS = 4_000


@dataclass(frozen=True)
class Interaction:
    """p of the test, and what the two axes do beyond their sum: the standard deviation of these effects over cells."""

    p: float
    size: float
    df: int


def interaction(grid: Mapping[tuple[str, str], Sample], draws: int = DRAWS) -> Interaction | None:
    """Test the interaction of (one axis' value, the other's) -> sample; None unless each of at least 2 × 2 has n > 1.

    A Wald statistic with every cell's own variance, its distribution where there is no interaction by the parametric
    bootstrap (Xu, Yang, Abula & Qin 2013), which holds its level at n = 3; an analysis of variance with HC3 does not.
    """
    rows, columns = (list(dict.fromkeys(pair[axis] for pair in grid)) for axis in (0, 1))
    if min(len(rows), len(columns)) < 2 or len(grid) < len(rows) * len(columns):
        return None
    found = means([grid[row, column] for row in rows for column in columns])
    if found.n.min() < 2 or not np.any(found.seeds > 0):
        return None
    contrasts: Array = np.asarray(np.kron(_differences(len(rows)), _differences(len(columns))), dtype=float)
    cell = np.reshape(found.mean, (len(rows), len(columns)))
    effects: Array = cell - np.mean(cell, axis=0) - np.mean(cell, axis=1, keepdims=True) + np.mean(cell)
    return Interaction(_p(found, contrasts, draws), float(np.sqrt(np.mean(effects**2))), len(contrasts))


def _differences(k: int) -> Array:
    """(k - 1, k): each value minus the last."""
    return np.hstack([np.eye(k - 1), -np.ones((k - 1, 1))])


def _p(found: Means, contrasts: Array, draws: int) -> float:
    rng = np.random.default_rng(0)
    k, df = len(found.n), found.df
    # A cell without spread would be taken for one that is known exactly.
    floor = 1e-6 * float(np.max(found.seeds))
    seeds = np.maximum(found.seeds, floor)
    images = np.zeros((k, k)) if found.images is None else found.images
    drawn = rng.standard_normal((draws, k)) * np.sqrt(seeds) + rng.standard_normal((draws, k)) @ root(images).T
    variance = np.maximum(seeds * rng.chisquare(df, (draws, k)) / df, floor)
    null = _wald(drawn, variance, images, contrasts)
    seen = _wald(found.mean[None], seeds[None], images, contrasts)[0]
    return (1 + float(np.sum(null >= seen))) / (1 + draws)


def _wald(mean: Array, variance: Array, images: Array, contrasts: Array) -> Array:
    """(draws,): the contrasts of means (draws, k) in units of their covariance."""
    told = mean @ contrasts.T
    shared = contrasts @ _psd(images) @ contrasts.T
    covariance = np.einsum("ik,dk,jk->dij", contrasts, variance, contrasts) + shared
    return np.einsum("di,di->d", told, np.linalg.solve(covariance, told[..., None])[..., 0])


def _psd(covariance: Array) -> Array:
    half = root(covariance)
    return np.asarray(half @ half.T)
