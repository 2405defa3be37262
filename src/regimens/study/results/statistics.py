"""What tuning trials say: what a smaller budget would have found, and the front of several metrics.

What the finals say of each other is in `regimens.stats` and, as rows of a table, in `verdict_rows.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
