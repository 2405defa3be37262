"""Where a response is best: a parabola through the best grid point and its neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """The parabola `coefficients` (constant first) of a coordinate between `low` and `high`; best at `summit`.

    `end` says at which end of the grid the best point lies: -1, 1, or 0 for inside.
    """

    coefficients: tuple[float, ...]
    low: float
    high: float
    summit: float
    end: int

    def __call__(self, at: float) -> float:
        """The fitted response."""
        return float(np.polynomial.polynomial.polyval(at, self.coefficients))


def fit(xs: Sequence[float], ys: Sequence[float | None]) -> Curve | None:
    """The curve through the responses `ys` (more is better, None where training failed) at the coordinates `xs`.

    The summit lies within half a step of the best point, also beside a cliff (a rate at which training breaks down); at
    an end of the grid, and where a neighbour failed, it is the best point itself. None where all failed.
    """
    points = sorted(zip(xs, ys, strict=True))
    values = [-math.inf if y is None or not math.isfinite(y) else y for _, y in points]
    best = int(np.argmax(values))
    if values[best] == -math.inf:
        return None
    at = points[best][0]
    end = -1 if best == 0 else 1 if best == len(points) - 1 else 0
    if end or len(points) < 3 or min(values[best - 1], values[best + 1]) == -math.inf:
        return Curve((values[best],), at, at, at, end if len(points) > 1 else 0)
    x = [point[0] for point in points[best - 1 : best + 2]]
    found = np.polynomial.Polynomial.fit(x, values[best - 1 : best + 2], 2).convert().coef
    constant, slope, bend = (*found, 0.0, 0.0)[:3]
    summit = min(max(-slope / (2 * bend), x[0]), x[2]) if bend < 0 else at
    return Curve((float(constant), float(slope), float(bend)), x[0], x[2], float(summit), 0)
