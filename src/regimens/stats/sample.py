"""A cell's finals as numbers, and what the means of several cells scatter by: their seeds and the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """One value a unit (n,): a final, or the mean of those that share a repetition of the tuning.

    correct: (n, m), what share of the unit's networks were right on each of m test images; None where results do not
    say. Samples whose `images` differ were tested on different images.
    """

    values: Array
    correct: Array | None = None
    images: str = ""

    @classmethod
    def of(cls, values: Sequence[float] | Array, correct: Any = None, images: str = "") -> Sample:
        """A sample of plain values."""
        return cls(
            np.asarray(values, dtype=float), None if correct is None else np.asarray(correct, dtype=float), images
        )

    @property
    def n(self) -> int:
        """The number of units."""
        return len(self.values)


@dataclass(frozen=True)
class Means:
    """The means of k cells with the two parts of their variances.

    seeds: (k,), what the units contribute to the variance of each mean, s²/n; NaN at n = 1. images: (k, k), the
    covariance of the means over draws of m test images, None where it is not known. Both are unbiased under the crossed
    model: value = cell + unit + image + rest.
    """

    mean: Array
    n: NDArray[np.int64]
    seeds: Array
    images: Array | None
    m: int

    def one(self, i: int) -> tuple[float, float]:
        """(variance, degrees of freedom) of one mean."""
        own = 0.0 if self.images is None else max(float(self.images[i, i]), 0.0)
        return satterthwaite(np.array([self.seeds[i], own]), np.array([self.n[i] - 1, self.m - 1]))

    def image_part(self, i: NDArray[Any], j: NDArray[Any]) -> Array:
        """What the test images contribute to the variance of the differences of means i and j, none below 0."""
        if self.images is None:
            return np.zeros(np.broadcast(i, j).shape)
        own = np.diag(self.images)
        return np.maximum(own[i] + own[j] - 2 * self.images[i, j], 0.0)


def satterthwaite(parts: Array, df: Array) -> tuple[float, float]:
    """(sum of variance components, its degrees of freedom): Satterthwaite 1946; one without variance has none."""
    total = float(parts.sum())
    lost = sum(float(part) ** 2 / float(d) for part, d in zip(parts, df, strict=True) if part > 0 and d > 0)
    return total, total**2 / lost if lost > 0 else float(np.max(df))


def means(samples: Sequence[Sample]) -> Means:
    """The means of samples; the images count where every sample was tested on the same ones and says which it got."""
    n = np.array([one.n for one in samples])
    mean = np.array([one.values.mean() if one.n else np.nan for one in samples])
    seeds = np.array([one.values.var(ddof=1) / one.n if one.n > 1 else np.nan for one in samples])
    told = [one.correct for one in samples if one.correct is not None]
    same = len({(one.images, None if one.correct is None else one.correct.shape[1]) for one in samples}) == 1
    if len(told) < len(samples) or not same or told[0].shape[1] < 2:
        return Means(mean, n, seeds, None, 0)
    return Means(mean, n, seeds, image_covariance(told), told[0].shape[1])


def image_covariance(correct: Sequence[Array]) -> Array:
    """(k, k): the covariance of k cells' means over test images, from each cell's (n, m) matrix.

    The images' part of the two-way analysis of variance, (MS_images - MS_rest) / (n m), between cells too: the rest,
    what a unit got right by chance on an image, is in the units' own variance already (Searle, Casella & McCulloch
    1992, chapter 4).
    """
    m = correct[0].shape[1]
    by_image = np.stack([one.mean(axis=0) for one in correct])
    covariance = np.atleast_2d(np.cov(by_image)) / m
    return np.asarray(covariance - np.diag([_rest(one) / (len(one) * m) for one in correct]))


def _rest(correct: Array) -> float:
    """The mean square of what neither the unit nor the image explains; 0 for a single unit."""
    n, m = correct.shape
    if n < 2:
        return 0.0
    left = correct - correct.mean(axis=1, keepdims=True) - correct.mean(axis=0) + correct.mean()
    return float(np.sum(left**2)) / ((n - 1) * (m - 1))
