"""How many more trials fit into a study's time: its definition and its finished trials in, numbers of trials out.

What counts is the time that trials took, not the clock: a study that is killed, or asked for again, comes to the same
rounds from the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from regimens.core.result import Result
from regimens.study.definition.study import Cell, Study

#: the results of a phase of a cell, by number; None where a trial has none
Read = Callable[[Cell, str], list[Result | None]]

# The parts of the time after which no more tuning is begun: where cells are compared, and in a joint search.
TUNING, SEARCH = 0.5, 0.8
# Points of a grid, of which the most that fit are taken; a response has no summit in fewer.
GRIDS = (9, 7, 5, 3)
# Seconds from one trial to a worker's next: queue, files and tracker (benchmarks/study_overhead.py).
BETWEEN = 0.05
ENDLESS = 10**9


class TimeBudget:
    """What is left of a study's time, by what its trials have taken; without end where it has no such limit."""

    def __init__(self, study: Study, read: Read) -> None:
        self._study = study
        self._took = {
            cell.label: [seconds_of(one) for phase in study.phases(cell) for one in read(cell, phase) if one]
            for cell in (study.cells if self.limited else ())
        }
        self._all = [seconds for took in self._took.values() for seconds in took]

    @property
    def limited(self) -> bool:
        """Whether the study has a time of its own."""
        return self._study.budget is not None

    def more(self, cells: Sequence[Cell], *, tuned: bool = False) -> int:
        """How many more trials, of tuning or else finals, there is time for in each of these cells."""
        if self._study.budget is None:
            return ENDLESS
        each = sum(self._mean(self._took[cell.label] or self._all) for cell in cells)
        left = self._study.budget * (self._tuning if tuned else 1) - sum(self._all)
        return max(0, math.floor(left / each)) if each else 0

    def trials(self, tuning: Sequence[Cell]) -> int:
        """What `study.trials` is now: the points of a grid, known after the first round, or all draws that fit."""
        if not self.limited or (tuning[0].sweeps and self._study.round > 1):
            return self._study.trials
        more = self.more(tuning, tuned=True)
        if not tuning[0].sweeps:
            return self._study.trials + more
        axes = max(len(cell.ranges) for cell in tuning)
        return next((count for count in GRIDS if count * axes <= more), 1)

    @property
    def _tuning(self) -> float:
        return SEARCH if any(cell.axes for cell in self._study.cells) else TUNING

    def plan(self, tuning: Sequence[Cell]) -> str:
        """What a person is told of it, once each cell has had a trial."""
        study = self._study
        if study.budget is None:
            return ""
        first, at_most = "", f"for at most {self._tuning:.0%} of the time, then "
        if tuning and study.trials == 1:
            first = "too long for any tuning, so "
        elif tuning:
            first = f"a grid of {study.trials} in each cell, made finer " if tuning[0].sweeps else "tuning "
            first += at_most
        return f"a trial takes {self._mean(self._all):.2g} s: {first}finals until the time is used"

    @staticmethod
    def _mean(seconds: Sequence[float]) -> float:
        return sum(seconds) / len(seconds) if seconds else 0.0


def seconds_of(result: Result) -> float:
    """What a trial took of a worker's time."""
    return sum(result.durations.values()) + BETWEEN
