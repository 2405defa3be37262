"""Looking repeatedly: which comparisons are open after each round of finals, at one error rate for all looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from regimens.stats.comparisons import DRAWS, LEVEL, Rule, against_best, against_reference, best_of
from regimens.stats.sample import Array, Sample
from regimens.stats.verdicts import OPEN

NODES = 80
POWER = 1.5
BEST, REFERENCE = "best", "reference"


@cache
def nominal_levels(times: tuple[float, ...], level: float = LEVEL, power: float = POWER) -> tuple[float, ...]:
    """The two-sided level at which to test at each look, so that all looks together err with probability `level`.

    times: what share of the planned finals is there at each look, rising to 1. By look l, level · times[l]^power is
    spent (Lan & DeMets 1983; the family of Kim & DeMets 1987). For t statistics their p is what is compared with it
    (Jennison & Turnbull 2000, section 4.4).
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    found: list[float] = []
    spent, reached, density, last = 0.0, 0.0, np.ones(1), 0.0
    for time in times:
        goal, step = level * time**power, (time - last) ** 0.5
        before = reached * nodes if found else np.zeros(1)

        def at(bound: float, before: Array = before, step: float = step, density: Array = density) -> Array:
            """The density at ± bound · nodes of a sum of increments that no earlier look has stopped."""
            return np.asarray(norm.pdf(bound * nodes[:, None], loc=before[None, :], scale=step) @ density)

        def excess(z: float, time: float = time, goal: float = goal) -> float:
            bound = z * time**0.5
            return 1 - goal - float(np.sum(at(bound) * weights)) * bound

        z = brentq(excess, 0.0, norm.isf((goal - spent) / 2) + 1)
        reached = z * time**0.5
        density = at(reached) * weights * reached
        spent, last = goal, time
        found.append(float(2 * norm.sf(z)))
    return tuple(found)


def level_at(look: int, looks: int, level: float = LEVEL) -> float:
    """The level at one of so many equally spaced looks, counted from 1."""
    return nominal_levels(tuple((one + 1) / looks for one in range(looks)), level)[look - 1]


def open_comparisons(
    values: Mapping[str, Sequence[float] | Sample],
    look: int,
    looks: int,
    *,
    margin: float | None,
    reference: str | None = None,
    maximize: bool = True,
    settled: Mapping[str, str] | None = None,
    draws: int = DRAWS,
) -> dict[str, str]:
    """The verdict on every cell after a round of finals: "better", "worse", "equal", or that it is open.

    values: what each cell has so far. reference: the cell that the others are compared with; None: the best, which is
    picked anew at each look; itself it is "reference" or "best". settled: the verdicts of the look before, which stay
    where they were settled. All looks and cells together err at most 5% of the time.
    """
    samples = {label: one if isinstance(one, Sample) else Sample.of(one) for label, one in values.items()}
    rule = Rule(maximize=maximize, margin=margin, level=level_at(look, looks), draws=draws)
    centre = reference or best_of(samples, maximize=maximize)
    found = against_reference(samples, reference, rule) if reference else against_best(samples, rule)
    itself = REFERENCE if reference else BEST
    now = {label: itself if label == centre else found[label].verdict for label in samples}
    return now | {label: word for label, word in (settled or {}).items() if is_settled(word) and label != centre}


def is_settled(word: str) -> bool:
    """Whether more finals would not change a verdict."""
    return word not in (*OPEN, BEST, REFERENCE)
