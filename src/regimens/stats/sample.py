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
    say. Samples whose `images` differ were tested on different images. folds: (n,), where the parts of the data took
    turns at being the test set, which of them each unit was tested on; else empty.
    """

    values: Array
    correct: Array | None = None
    images: str = ""
    folds: tuple[int, ...] = ()

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
    #: (k,), degrees of freedom of each cell's part
    df: Array

    def one(self, i: int) -> tuple[float, float]:
        """(variance, degrees of freedom) of one mean."""
        own = 0.0 if self.images is None else max(float(self.images[i, i]), 0.0)
        return satterthwaite(np.array([self.seeds[i], own]), np.array([self.df[i], self.m - 1]))

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
    """The means of samples; the images count where every sample was tested on the same ones and says which it got.

    Where all were tested on the same folds, these are what they have in common, in the images' place.
    """
    if samples and samples[0].folds and all(one.folds == samples[0].folds for one in samples):
        return over_folds(samples)
    n = np.array([one.n for one in samples])
    mean = np.array([one.values.mean() if one.n else np.nan for one in samples])
    seeds = np.array([one.values.var(ddof=1) / one.n if one.n > 1 else np.nan for one in samples])
    told = [one.correct for one in samples if one.correct is not None]
    same = len({(one.images, None if one.correct is None else one.correct.shape[1]) for one in samples}) == 1
    if len(told) < len(samples) or not same or told[0].shape[1] < 2:
        return Means(mean, n, seeds, None, 0, n - 1.0)
    return Means(mean, n, seeds, image_covariance(told), told[0].shape[1], n - 1.0)


def over_folds(samples: Sequence[Sample]) -> Means:
    """The means of k cells over the same n units, value = cell + fold + rest, by the two-way analysis of variance.

    Networks of two folds learnt mostly from the same examples, so that their mean scatters by more than 1/n of their
    variance: by 1/n + 1/(folds - 1), test over training examples (Nadeau & Bengio 2003, equation 9).
    """
    table = np.array([one.values for one in samples])
    k, n = table.shape
    more = 1 / n + 1 / (len(set(samples[0].folds)) - 1)
    mean, whole = table.mean(axis=1), np.full(k, n)
    if k == 1:
        return Means(mean, whole, table.var(axis=1, ddof=1) * more, None, 0, whole - 1.0)
    left = table - mean[:, None] - table.mean(axis=0) + table.mean()
    rest = np.sum(left**2, axis=1) * k / ((k - 1) * (n - 1))
    fold = max(float(table.mean(axis=0).var(ddof=1)) - float(rest.mean()) / k, 0.0)
    return Means(mean, whole, rest * more, np.full((k, k), fold * more), n, np.full(k, (n - 1) * (k - 1) / k))


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
