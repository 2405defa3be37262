"""Where a response is best: a parabola through the best grid point and those around it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: points on either side of the best one that the parabola is fitted to
REACH = 2
#: a parabola that falls by d at a neighbour falls by 4 d at the next point, and about alike on both sides: a point
#: that is further down than either lies beyond a cliff
NEXT, ALIKE = 4.0, 2.0
#: how much an outer point counts for: it smooths noise, and a response is a parabola near its summit only
OUTER = 0.25


@dataclass(frozen=True)
class Curve:
    """The parabola `coefficients` (constant first) of a coordinate between `low` and `high`; best at `summit`.

    `best` is the coordinate of the best point itself; `end` says at which end of the grid that lies: -1, 1, or 0 for
    inside.
    """

    coefficients: tuple[float, ...]
    low: float
    high: float
    summit: float
    best: float
    end: int

    def __call__(self, at: float) -> float:
        """The fitted response."""
        return float(np.polynomial.polynomial.polyval(at, self.coefficients))


def fit(xs: Sequence[float], ys: Sequence[float | None]) -> Curve | None:
    """The curve through the responses `ys` (more is better, None where training failed) at the coordinates `xs`.

    Weighted least squares over the best point and up to two on either side, since each is a single noisy training, but
    for those beyond a cliff (a rate at which training breaks down). The summit lies between the best point's
    neighbours; at an end of the grid, and beside one that failed, it is the best point. None where all failed.
    """
    responses: dict[float, list[float]] = {}
    for at, y in zip(xs, ys, strict=True):
        responses.setdefault(at, []).append(-math.inf if y is None or not math.isfinite(y) else y)
    # What was tried several times counts once, with its mean: as failed where one of them failed.
    points = sorted((at, sum(tried) / len(tried)) for at, tried in responses.items())
    values = [y for _, y in points]
    best = int(np.argmax(values))
    if values[best] == -math.inf:
        return None
    at = points[best][0]
    end = -1 if best == 0 else 1 if best == len(points) - 1 else 0
    if end or len(points) < 3 or -math.inf in (values[best - 1], values[best + 1]):
        return Curve((values[best],), at, at, at, at, end if len(points) > 1 else 0)
    drops = {i: values[best] - values[i] for i in range(best - REACH, best + REACH + 1) if 0 <= i < len(points)}
    kept = [i for i in drops if abs(i - best) < REACH or not _beyond_a_cliff(drops, best, i)]
    x = [points[i][0] for i in kept]
    weights = [1.0 if abs(i - best) < REACH else OUTER for i in kept]
    found = np.polynomial.Polynomial.fit(x, [values[i] for i in kept], 2, w=weights).convert().coef
    constant, slope, bend = (*found, 0.0, 0.0)[:3]
    low, high = points[best - 1][0], points[best + 1][0]
    summit = min(max(-slope / (2 * bend), low), high) if bend < 0 else at
    return Curve((float(constant), float(slope), float(bend)), min(x), max(x), float(summit), at, 0)


def _beyond_a_cliff(drops: Mapping[int, float], best: int, i: int) -> bool:
    """Whether an outer point lies further down than its neighbour and the outer point of the other side explain."""
    own = NEXT * drops[best + (1 if i > best else -1)]
    other = ALIKE * drops.get(2 * best - i, 0.0)
    return drops[i] == math.inf or drops[i] > max(own, other if math.isfinite(other) else 0.0)
