"""The winner's number, quoted on what did not pick it: the best of many noisy means is overstated by its own luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: seed -> value, of one cell's finals
BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Quoted:
    """What picking the best is worth: the mean over n seeds of what the cell picked without that seed reached on it."""

    mean: float
    n: int


def quoted(picking: Mapping[str, BySeed], quoting: Mapping[str, BySeed], *, maximize: bool) -> Quoted | None:
    """For each seed, pick the best cell by the other seeds' `picking` metric; the mean of what it has in `quoting`.

    With validation accuracy to pick by and test accuracy to quote, neither the seeds nor the images that pick are among
    those that are quoted: a cross-validated selection (Tibshirani & Tibshirani 2009). None below two seeds.
    """
    seeds = sorted(set.intersection(*(set(one) for one in picking.values()))) if picking else []
    if len(seeds) < 2:
        return None
    sign = 1 if maximize else -1
    labels = list(picking)
    table = sign * np.array([[picking[label][seed] for seed in seeds] for label in labels])
    without = (table.sum(axis=1, keepdims=True) - table) / (len(seeds) - 1)
    chosen = [labels[row] for row in np.argmax(without, axis=0)]
    values = [quoting[label][seed] for label, seed in zip(chosen, seeds, strict=True) if seed in quoting[label]]
    return Quoted(float(np.mean(values)), len(values)) if values else None
