"""Where a response is best: in the middle of what is as good as the best point that was tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: what lies less than so many margins of equality below the best point is as good: the best of several noisy points
#: is too high itself
MARGINS = 2.0
#: trainings that end more margins of equality apart than that do not do the same: the lower one failed
FAILING = 20


@dataclass(frozen=True)
class Curve:
    """The line through the points (coordinate, response) that are as good as the best one, from `low` to `high`.

    `summit` is its centre of mass above where it ends; `best` is the coordinate of the best point itself; `end` says at
    which end of what was tried that lies: -1, 1, or 0 for inside. `beside_failure`: whether training fails
    at the next point on one side of it.
    """

    points: tuple[tuple[float, float], ...]
    summit: float
    best: float
    end: int
    beside_failure: bool = False

    @property
    def low(self) -> float:
        """Where it begins."""
        return self.points[0][0]

    @property
    def high(self) -> float:
        """Where it ends."""
        return self.points[-1][0]

    def __call__(self, at: float) -> float:
        """The response there."""
        xs, ys = zip(*self.points, strict=True)
        return float(np.interp(at, xs, ys))


def fit(xs: Sequence[float], ys: Sequence[float | None], margin: float | None) -> Curve | None:
    """The curve through the responses `ys` (more is better, None where training failed) at the coordinates `xs`.

    Each response is a single noisy training, and often one side falls gently and the other is a cliff: a parabola
    through the best points leans away from the cliff, and is at a loss where all are alike. The centre of what is as
    good as the best, to two margins, is at home in both (docs/decisions/0004). At an end of what was tried the summit
    is the best point, and so it is without a margin. None where all failed.
    """
    responses: dict[float, list[float]] = {}
    for at, y in zip(xs, ys, strict=True):
        responses.setdefault(at, []).append(-math.inf if y is None or not math.isfinite(y) else y)
    # What was tried several times counts once, with its mean: as failed where one of them failed.
    points = sorted((at, sum(tried) / len(tried)) for at, tried in responses.items())
    values = [y for _, y in points]
    # Of several that are best the one farthest inside: towards a limit at which a technique does nothing all are alike.
    place = max(range(len(values)), key=lambda at: (values[at], min(at, len(values) - 1 - at)))
    if values[place] == -math.inf:
        return None
    best = points[place]
    end = (-1 if place == 0 else 1 if place == len(points) - 1 else 0) if len(points) > 1 else 0
    if end or not margin or len(points) < 3:
        return Curve((best,), best[0], best[0], end)
    failure = min(values[place - 1], values[place + 1]) < best[1] - FAILING * margin
    level = best[1] - MARGINS * margin
    left, right = _down_to(level, points[place::-1]), _down_to(level, points[place:])
    line = (*reversed(left), best, *right)
    return Curve(line, _centre(line, level), best[0], 0, failure)


def _down_to(level: float, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points after the first as far as they lie above `level`, and where the line through them meets it."""
    found: list[tuple[float, float]] = []
    x, y = points[0]
    for at, value in points[1:]:
        if value == -math.inf:  # from where on training fails is not known
            break
        if value <= level:
            found.append((x + (at - x) * (y - level) / (y - value), level))
            break
        found.append((at, value))
        x, y = at, value
    return found


def _centre(line: Sequence[tuple[float, float]], level: float) -> float:
    """The centre of mass of what lies between a line and a level."""
    x, height = (np.array(one) for one in zip(*line, strict=True))
    height = height - level
    step, left, right = np.diff(x), height[:-1], height[1:]
    moments = step * (x[:-1] * (2 * left + right) + x[1:] * (left + 2 * right)) / 6
    mass = step * (left + right) / 2
    return float(moments.sum() / mass.sum()) if mass.sum() > 0 else float(x[0])
