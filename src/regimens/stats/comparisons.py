"""Which cells differ: every cell against the best, a reference, or what it contains, at a family-wise error rate.

Each difference has a variance of its own (Welch: the units of either cell, and the test images that they share) with
Satterthwaite's degrees of freedom. In families of four cells or more a cell's variance is moderated (Smyth 2004) with
the weight of one degree of freedom for the cells' median. The level of each difference is such that the smallest p of
the whole family, the picking of the best included, falls below it with probability `level` where no cells differ:
single-step min-p (Westfall & Young 1993), its distribution by the parametric bootstrap for unequal variances
(Krishnamoorthy, Lu & Mathew 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regimens.stats.sample import Array, Means, Sample, means
from regimens.stats.verdicts import UNTESTED, verdict

LEVEL = 0.05
DRAWS = 20_000
ROUNDING = 1e-12  # variances below this share of the largest one are none
PRIOR = 1.0  # degrees of freedom that the cells' median variance counts for in each cell's own
MODERATED = 4  # cells at least, for their median to say something
Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Rule:
    """How differences are judged: which sign is better, the margin of equality (None: none), the error rate."""

    maximize: bool = True
    margin: float | None = None
    level: float = LEVEL
    draws: int = DRAWS


@dataclass(frozen=True)
class Difference:
    """A cell's mean minus another's: its simultaneous interval, its p adjusted for the family, and a verdict.

    n: the units of either. level: of this one test, such that the family keeps its own. All but n and diff are None
    below two units in either.
    """

    against: str
    n: tuple[int, int]
    diff: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    se: float | None = None
    df: float | None = None
    level: float | None = None
    verdict: str = UNTESTED


def best_of(samples: Mapping[str, Sample], *, maximize: bool) -> str:
    """The cell with the best mean; the first of equals."""
    sign = 1 if maximize else -1
    return max(samples, key=lambda label: sign * float(samples[label].values.mean()))


def against_best(samples: Mapping[str, Sample], rule: Rule) -> dict[str, Difference]:
    """Every other cell's difference from the cell with the best mean."""
    labels = list(samples)
    at = labels.index(best_of(samples, maximize=rule.maximize))
    return _judge(samples, [(i, at) for i in range(len(labels)) if i != at], rule, picked=True)


def against_reference(samples: Mapping[str, Sample], reference: str, rule: Rule) -> dict[str, Difference]:
    """Every other cell's difference from the reference."""
    labels = list(samples)
    at = labels.index(reference)
    return _judge(samples, [(i, at) for i in range(len(labels)) if i != at], rule)


def against_pairs(samples: Mapping[str, Sample], pairs: Mapping[str, str], rule: Rule) -> dict[str, Difference]:
    """The difference of each cell from the one that it is paired with (label -> label), of those that are there."""
    labels = list(samples)
    known = [(one, other) for one, other in pairs.items() if one in samples and other in samples]
    return _judge(samples, [(labels.index(one), labels.index(other)) for one, other in known], rule)


def _judge(samples: Mapping[str, Sample], pairs: Pairs, rule: Rule, picked: bool = False) -> dict[str, Difference]:
    from scipy.special import stdtr, stdtrit

    labels, found = list(samples), means(list(samples.values()))
    testable = [(i, j) for i, j in pairs if min(found.n[i], found.n[j]) > 1]
    sign = (1.0 if rule.maximize else -1.0) if picked else None
    null = smallest_p(found, testable, sign, rule.draws) if len(testable) > 1 else None
    each = rule.level if null is None else _quantile(null, rule.level)
    told: dict[str, Difference] = {}
    for i, j in pairs:
        n, diff = (int(found.n[i]), int(found.n[j])), float(found.mean[i] - found.mean[j])
        if (i, j) not in testable:
            told[labels[i]] = Difference(labels[j], n, diff)
            continue
        variance, df = _pair(found, found.seeds[None] * found.n, np.array([i]), np.array([j]))
        se, free, level = float(variance[0, 0]) ** 0.5, float(df[0, 0]), each * _allowance(min(n))
        half = -float(stdtrit(free, level / 2)) * se if level > 0 else np.inf  # scipy has +inf for a quantile of 0
        own = float(2 * stdtr(free, -abs(diff) / se)) if se > 0 else _unspread(diff, n)
        own = min(1.0, own / _allowance(min(n)))
        p = own if null is None else _adjusted(null, own)
        tested = se > 0 or p <= rule.level
        word = verdict(diff - half, diff + half, maximize=rule.maximize, margin=rule.margin) if tested else UNTESTED
        told[labels[i]] = Difference(labels[j], n, diff, diff - half, diff + half, p, se, free, level, word)
    return told


def moderated(spread: Array, n: NDArray[np.int64], free: Array) -> tuple[Array, Array]:
    """(variances of a unit, their degrees of freedom) of cells: from those found (draws, k), how many units (k,), and
    how many degrees of freedom these had (k,).

    Few units tell little of a variance, and a cell whose three happen to agree would be surer than any other. So each
    is pulled towards the cells' median: with the weight of one degree of freedom, whatever the variances are, so that
    no test of their equality decides anything.
    """
    if np.sum(n > 1) < MODERATED:
        return spread, free
    middle = np.median(spread[:, n > 1], axis=1, keepdims=True)
    return (PRIOR * middle + free * spread) / (PRIOR + free), PRIOR + free


def _pair(found: Means, spread: Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> tuple[Array, Array]:
    """(variance, degrees of freedom), (draws, pairs) each, of means i minus j, given the variances of their units."""
    row = np.arange(len(spread))[:, None]
    variance, df = moderated(spread, found.n, found.df)
    one, other, shared = variance[row, i] / found.n[i], variance[row, j] / found.n[j], found.image_part(i, j)
    total = one + other + shared
    lost = one**2 / df[i] + other**2 / df[j] + (shared**2 / (found.m - 1) if found.m > 1 else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total, np.where(lost > 0, total**2 / lost, df[i])


def _allowance(n: int) -> float:
    """What is taken off a level, since p is too small far out in the tails of few units.

    Welch's by up to 2.4 times, at n = 3, deviations of 1 : 10 and the p < 0.003 that a large family asks for. The share
    is what keeps the error rate of every family that was simulated at or below its level (docs/decisions/0013).
    """
    return 1 - 1.25 / n


def _unspread(diff: float, n: tuple[int, int]) -> float:
    """p of a difference between cells without any spread, as counts on few images may be: that of all permutations."""
    from scipy.special import comb

    return 1.0 if abs(diff) < 1e-12 else float(min(1.0, 2 / comb(sum(n), n[0])))


def _quantile(null: Array, level: float) -> float:
    """The level of a Monte Carlo test, exact for any number of draws."""
    return float(null[max(int(level * (1 + len(null))) - 1, 0)])


def _adjusted(null: Array, p: float) -> float:
    return (1 + float(np.searchsorted(null, p, "right"))) / (1 + len(null))


def smallest_p(found: Means, pairs: Pairs, picked: float | None = None, draws: int = DRAWS) -> Array:
    """(draws,), ascending: the smallest p of a family where no cells differ and each scatters as it was found to.

    picked: 1 or -1 where the second cell of each pair is the best of each draw, high or low, instead of the pair's own.
    """
    from scipy.special import stdtr

    rng = np.random.default_rng(0)
    k, df = len(found.n), np.where(found.n > 1, found.df, 1.0)
    spread = np.where(found.n > 1, found.seeds * found.n, 0.0)
    drawn = rng.standard_normal((draws, k)) * np.sqrt(spread / found.n)
    if found.images is not None:
        drawn += rng.standard_normal((draws, k)) @ root(found.images).T
    drawn_spread = spread * rng.chisquare(df, (draws, k)) / df
    members = np.unique(np.array(pairs))
    if picked is None:
        one, other = (index[None, :] for index in np.array(pairs).T)
    else:
        one, other = members[None, :], members[np.argmax(picked * drawn[:, members], axis=1)][:, None]
    total, free = _pair(found, drawn_spread, one, other)
    row = np.arange(draws)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(free, -np.abs(drawn[row, one] - drawn[row, other]) / np.sqrt(total))
    # The best against itself, and cells without any spread but for rounding, have nothing to test.
    scale = max(np.nanmax(found.seeds), 0.0 if found.images is None else np.diag(found.images).max())
    p = np.where((one == other) | (total <= ROUNDING * scale) | ~np.isfinite(p), 1.0, p)
    return np.sort(p.min(axis=1))


def root(covariance: Array) -> Array:
    """A matrix R with R Rᵀ = covariance, whose negative eigenvalues, if any, count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
