"""Several data sets as one question: mean ranks, and whether what is compared differs over a sample of problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regimens.stats.random_effects import Estimate, student


@dataclass(frozen=True)
class Ranks:
    """What problems say together; a problem (a data set) is the unit, however many seeds it was trained with.

    values: problem -> label -> mean. mean: label -> mean rank, 1 the best, the best first. p: Friedman's test of equal
    ranks; nemenyi: label -> label -> p of their pair, adjusted for all pairs. gain: label -> mean difference from the
    reference over problems, with Student's interval. p and nemenyi need two problems and three labels.
    """

    values: Mapping[str, Mapping[str, float | None]]
    mean: Mapping[str, float]
    p: float | None
    nemenyi: Mapping[str, Mapping[str, float]]
    gain: Mapping[str, Estimate]


def ranks(table: Mapping[str, Mapping[str, float | None]], reference: str | None, *, maximize: bool) -> Ranks | None:
    """The ranks of problem -> label -> mean; a label without a mean somewhere has the last rank there, and no gain.

    Friedman 1937 and Nemenyi 1963, as in Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets".
    None with fewer than two problems or two labels.
    """
    from scipy.stats import friedmanchisquare, rankdata

    labels = list(dict.fromkeys(label for one in table.values() for label in one))
    if len(table) < 2 or len(labels) < 2:
        return None
    sign = -1.0 if maximize else 1.0
    held = [[one.get(label) for label in labels] for one in table.values()]
    costs = np.array([[np.inf if value is None else sign * value for value in row] for row in held])
    placed = np.array([rankdata(row) for row in costs])
    mean = dict(sorted(zip(labels, map(float, placed.mean(axis=0)), strict=True), key=lambda one: (one[1], one[0])))
    p, nemenyi = None, {}
    if len(labels) > 2:
        p = float(friedmanchisquare(*placed.T).pvalue) if np.ptp(placed, axis=1).any() else 1.0
        nemenyi = _nemenyi(placed, labels)
    gain = {}
    for label in labels:
        pairs = [(one.get(label), one.get(reference or "")) for one in table.values()]
        told = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
        if label != reference and len(told) == len(table):
            gain[label] = student(told)
    return Ranks(table, mean, p, nemenyi, gain)


def _nemenyi(placed: np.ndarray, labels: list[str]) -> dict[str, dict[str, float]]:
    from scikit_posthocs import posthoc_nemenyi_friedman

    found = posthoc_nemenyi_friedman(placed).to_numpy()
    return {
        one: {other: float(found[i, j]) for j, other in enumerate(labels) if i != j} for i, one in enumerate(labels)
    }
