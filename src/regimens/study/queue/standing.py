"""Who leads a study so far: means of finals, each with its own interval. Verdicts are for the table at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from regimens.core.result import Result
from regimens.study.definition.study import Study

LEVEL = 0.95
NAMED = 4  # cells in a sentence before "and more"


@dataclass(frozen=True)
class Standing:
    """A cell's finals so far: their mean, and half the width of its 95% interval by Student's t (None below n = 2)."""

    label: str
    mean: float
    half: float | None
    n: int

    @classmethod
    def of(cls, label: str, values: Sequence[float]) -> Standing:
        """The standing of a cell with these values, of which there is at least one."""
        n = len(values)
        mean = sum(values) / n
        if n < 2:
            return cls(label, mean, None, n)
        from scipy.special import stdtrit

        variance = sum((value - mean) ** 2 for value in values) / (n - 1)
        return cls(label, mean, float(stdtrit(n - 1, (1 + LEVEL) / 2)) * (variance / n) ** 0.5, n)

    @property
    def numbers(self) -> str:
        """`0.9467 ± 0.0210 (n=4)`."""
        return f"{self.mean:.4f}" + (f" ± {self.half:.4f}" if self.half is not None else "") + f" (n={self.n})"

    def overlaps(self, other: Standing) -> bool:
        """Whether two intervals have a value in common; True where one of them is not known."""
        return self.half is None or other.half is None or abs(self.mean - other.mean) <= self.half + other.half


@dataclass
class Standings:
    """What the finished trials of a study say before it is done."""

    study: Study
    #: cell -> best value of its tuning trials, and all values of its finals
    tuning: dict[str, float] = field(default_factory=dict)
    finals: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, results: Iterable[Result]) -> Standings:
        """The standings after these results."""
        found = cls(study)
        for result in results:
            about = result.study or {}
            labels = [cell.group for cell in study.cells if cell.values == about.get("cell")]
            if labels:
                found.note(labels[0], str(about.get("phase")), result.status, result.metrics)
        return found

    def note(self, cell: str, phase: str, status: str, metrics: Mapping[str, float | None]) -> None:
        """Take note of a finished trial."""
        value = metrics.get(self.study.metric)
        if status != "completed" or value is None:
            return
        if phase == "final":
            self.finals.setdefault(cell, []).append(value)
        else:
            better = max if self.study.maximize else min
            self.tuning[cell] = better(value, self.tuning.get(cell, value))

    @property
    def ranked(self) -> list[Standing]:
        """The cells that have finals, best first."""
        sign = -1 if self.study.maximize else 1
        found = [Standing.of(label, values) for label, values in self.finals.items()]
        return sorted(found, key=lambda one: (sign * one.mean, one.label))

    def of_cell(self, cell: str) -> str:
        """The numbers of a cell: of its finals, or before there are any its best tuning trial; empty without either."""
        if cell in self.finals:
            return Standing.of(cell, self.finals[cell]).numbers
        return f"{self.tuning[cell]:.4f} (tuning)" if cell in self.tuning else ""

    @property
    def sentence(self) -> str:
        """Who leads, and whose interval overlaps the leader's; empty before anything has finished."""
        metric = self.study.metric
        if not self.study.judged:
            return ""
        if not self.finals:
            if not self.tuning:
                return ""
            pick = max if self.study.maximize else min
            label = pick(self.tuning, key=lambda one: self.tuning[one])
            return f"{label} has the best tuning trial, {metric} {self.tuning[label]:.4f}"
        leader, *others = self.ranked
        said = f"{leader.label} leads, {metric} {leader.numbers}"
        near = [one.label for one in others if one.overlaps(leader)]
        if not near:
            return said
        more = f" and {len(near) - NAMED} more" if len(near) > NAMED else ""
        return f"{said}; intervals overlap with {', '.join(near[:NAMED])}{more}"
