"""Means over what is itself a sample: networks × seeds, seeds × images, pairs of classes, repetitions of the tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regimens.stats.sample import Array, satterthwaite

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, degrees of freedom and 95% interval; None where there is one unit only."""

    mean: float
    se: float | None = None
    df: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, mean: float, variance: float, df: float) -> Estimate:
        """The Student interval of a mean whose variance was estimated with `df` degrees of freedom."""
        half = quantile(df) * variance**0.5
        return cls(mean, variance**0.5, df, mean - half, mean + half)

    def within(self, lowest: float, highest: float) -> Estimate:
        """The same with an interval that ends where no mean can lie: it holds the true one as often as before."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, lowest), high=min(self.high, highest))


def quantile(df: float) -> float:
    """Half the width of a 95% interval in standard errors."""
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, df))


def student(values: Any) -> Estimate:
    """The mean of a sample with Student's 95% interval."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return Estimate(float(values.mean()) if n else float("nan"))
    return Estimate.of(float(values.mean()), float(values.var(ddof=1)) / n, n - 1)


def crossed(table: Any, more: float = 0.0) -> Estimate:
    """The mean of a table (a, b) whose rows and columns both are random: one value for each seed and network, say.

    Its variance is that of the rows' means, the columns' means and the rest, from the two-way analysis of variance, no
    component below 0, with Satterthwaite's degrees of freedom (Searle, Casella & McCulloch 1992, chapter 4); with a
    single row or column that of the other. more: a further variance, known well, such as that of test images.
    """
    table = np.asarray(table, dtype=float)
    a, b = table.shape
    mean = float(table.mean())
    if min(a, b) < 2:
        values = table.ravel()
        if len(values) < 2:
            return Estimate(mean)
        return Estimate.of(mean, *_with(float(values.var(ddof=1)) / len(values), len(values) - 1.0, more))
    rows, columns, rest = mean_squares(table)
    parts = np.array([max(rows - rest, 0.0), max(columns - rest, 0.0), rest]) / (a * b)
    # Satterthwaite's sum is of mean squares, so the part of the rest that was taken off comes back with its own sign.
    squares = [(rows, a - 1, rows > rest), (columns, b - 1, columns > rest)]
    used = [(ms, d) for ms, d, counts in squares if counts]
    used.append(((1 - len(used)) * rest, (a - 1) * (b - 1)))
    total = float(parts.sum())
    lost = sum((ms / (a * b)) ** 2 / d for ms, d in used)
    return Estimate.of(mean, *_with(total, total**2 / lost if lost > 0 else float(min(a, b) - 1), more))


def _with(variance: float, df: float, more: float) -> tuple[float, float]:
    """A variance and its degrees of freedom with a further, well-known variance added."""
    return satterthwaite(np.array([variance, more]), np.array([df, 1e6])) if more > 0 else (variance, df)


def mean_squares(table: Array) -> tuple[float, float, float]:
    """The mean squares of rows, columns and the rest of a table (a, b) of one value a field."""
    a, b = table.shape
    by_row, by_column = table.mean(axis=1) - table.mean(), table.mean(axis=0) - table.mean()
    left = table - table.mean() - by_row[:, None] - by_column[None, :]
    return (
        b * float(np.sum(by_row**2)) / (a - 1),
        a * float(np.sum(by_column**2)) / (b - 1),
        float(np.sum(left**2)) / ((a - 1) * (b - 1)),
    )


def fieller(above: Any, below: Any) -> tuple[float, float] | None:
    """The 95% interval of the ratio of two means, from tables (a, b) with one value a field, rows and columns random.

    Fieller 1954: the ratios r at which the mean of above - r · below is not detectably other than 0. None where `below`
    itself is not detectably other than 0, since then there is no such interval.
    """
    from scipy.optimize import brentq

    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    if crossed(below).low is None or (crossed(below).low or 0.0) <= 0:
        return None
    middle = float(above.mean() / below.mean())

    def outside(ratio: float) -> float:
        one = crossed(above - ratio * below)
        return abs(one.mean) - quantile(one.df or 1.0) * (one.se or 0.0)

    if outside(middle) >= 0:
        return middle, middle
    step = abs(middle) + float(above.std() / below.mean())
    ends = []
    for sign in (-1, 1):
        far = middle + sign * step
        for _ in range(60):
            if outside(far) > 0:
                break
            far += sign * step
        else:
            return None
        ends.append(float(brentq(outside, middle, far)))
    return ends[0], ends[1]
