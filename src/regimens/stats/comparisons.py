"""Which cells differ: every cell against the best, a reference, or what it contains, at a family-wise error rate.

Each difference has a Welch variance of its own (the units of either cell, and the test images that they share) with
Satterthwaite's degrees of freedom. The level of each is such that the smallest p of the whole family, the picking of
the best included, falls below it with probability `level` where no cells differ: single-step min-p (Westfall & Young
1993), its distribution by the parametric bootstrap for unequal variances (Krishnamoorthy, Lu & Mathew 2007).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from regimens.stats.sample import Array, Means, Sample, means
from regimens.stats.verdicts import UNTESTED, verdict

LEVEL = 0.05
DRAWS = 20_000
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


def against_contained(samples: Mapping[str, Sample], contains: Mapping[str, str], rule: Rule) -> dict[str, Difference]:
    """The difference of each cell from the one that it contains as a limit, of those that are there."""
    labels = list(samples)
    known = [(one, other) for one, other in contains.items() if one in samples and other in samples]
    return _judge(samples, [(labels.index(one), labels.index(other)) for one, other in known], rule)


def _judge(samples: Mapping[str, Sample], pairs: Pairs, rule: Rule, picked: bool = False) -> dict[str, Difference]:
    from scipy.stats import t

    labels, found = list(samples), means(list(samples.values()))
    testable = [(i, j) for i, j in pairs if min(found.n[i], found.n[j]) > 1]
    nulls = _nulls(found, testable, rule, picked) if len(testable) > 1 else []
    each = min((_quantile(null, rule.level) for null in nulls), default=rule.level)
    told = {}
    for i, j in pairs:
        n, diff = (int(found.n[i]), int(found.n[j])), float(found.mean[i] - found.mean[j])
        if (i, j) not in testable:
            told[labels[i]] = Difference(labels[j], n, diff)
            continue
        variance, df = found.pair(i, j)
        se, level = variance**0.5, each * _allowance(min(n))
        half = float(t.isf(level / 2, df)) * se
        own = float(2 * t.sf(abs(diff) / se, df)) if se > 0 else _unspread(diff, n)
        own = min(1.0, own / _allowance(min(n)))
        p = max((_adjusted(null, own) for null in nulls), default=own)
        if se > 0 or p <= rule.level:
            word = verdict(diff - half, diff + half, maximize=rule.maximize, margin=rule.margin)
        else:
            word = UNTESTED
        told[labels[i]] = Difference(labels[j], n, diff, diff - half, diff + half, p, se, df, level, word)
    return told


def _allowance(n: int) -> float:
    """What is taken off a level, since Welch's p is too small far out in the tails of few units.

    Up to 2.4 times at n = 3 and standard deviations of 1 : 10, where the family's level asks for p < 0.003.
    """
    return 1 - 1 / n


def _unspread(diff: float, n: tuple[int, int]) -> float:
    """p of a difference between cells without any spread, as counts on few images may be: that of all permutations."""
    from scipy.special import comb

    return 1.0 if abs(diff) < 1e-12 else float(min(1.0, 2 / comb(sum(n), n[0])))


def _quantile(null: Array, level: float) -> float:
    """The level of a Monte Carlo test, exact for any number of draws."""
    return float(null[max(int(level * (1 + len(null))) - 1, 0)])


def _adjusted(null: Array, p: float) -> float:
    return (1 + float(np.searchsorted(null, p, "right"))) / (1 + len(null))


def _nulls(found: Means, pairs: Pairs, rule: Rule, picked: bool) -> list[Array]:
    """The smallest p's distribution under the variances as found, and under one for all: the stricter one counts.

    The variances of few units differ more than what they estimate, so either alone is wrong where the other is right.
    """
    spread = found.seeds * found.n
    known = np.isfinite(spread)
    pooled = float(np.sum((spread * (found.n - 1))[known]) / np.sum((found.n - 1)[known]))
    same = replace(found, seeds=np.where(known, pooled / found.n, np.nan))
    sign = 1.0 if rule.maximize else -1.0
    return [smallest_p(one, pairs, sign if picked else None, rule.draws) for one in (found, same)]


def smallest_p(found: Means, pairs: Pairs, picked: float | None = None, draws: int = DRAWS) -> Array:
    """(draws,), ascending: the smallest p of a family where no cells differ and each scatters as it was found to.

    picked: 1 or -1 where the second cell of each pair is the best of each draw, high or low, instead of the pair's own.
    """
    from scipy.special import stdtr

    rng = np.random.default_rng(0)
    keep = np.unique(np.array(pairs))
    k, df = len(keep), (found.n[keep] - 1).astype(float)
    drawn = rng.standard_normal((draws, k)) * np.sqrt(found.seeds[keep])
    if found.images is not None:
        drawn += rng.standard_normal((draws, k)) @ _root(found.images[np.ix_(keep, keep)]).T
    variance = found.seeds[keep] * rng.chisquare(df, (draws, k)) / df
    row = np.arange(draws)[:, None]
    if picked is None:
        one, other = np.searchsorted(keep, np.array(pairs)).T[:, None, :]
    else:
        one, other = np.arange(k)[None, :], np.argmax(picked * drawn, axis=1)[:, None]
    shared = found.image_part(keep[one], keep[other])
    total = variance[row, one] + variance[row, other] + shared
    lost = variance[row, one] ** 2 / df[one] + variance[row, other] ** 2 / df[other]
    lost = lost + (shared**2 / (found.m - 1) if found.m > 1 else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = -np.abs(drawn[row, one] - drawn[row, other]) / np.sqrt(total)
        p = 2 * stdtr(total**2 / lost, t)
    # The best against itself, and cells without any spread, have nothing to test.
    p = np.where((one == other) | ~np.isfinite(p), 1.0, p)
    return np.sort(p.min(axis=1))


def _root(covariance: Array) -> Array:
    """A matrix R with R Rᵀ = covariance, whose negative eigenvalues, if any, count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
