"""A study and its cells: plain values only, written to `study.json`, all that a worker needs to know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from regimens.core.files import write_json
from regimens.core.hashing import derive_seed, digest
from regimens.core.result import finite
from regimens.core.secrets import restore
from regimens.study.definition.composer import Source
from regimens.study.definition.search_space import Range, make_range
from regimens.study.definition.settings import MEASURE

#: what studies are called that a command line asks without naming them
UNNAMED = "adhoc"
#: [cell's label, phase, number]
Slot = list[Any]


@dataclass
class Sweep:
    """One tuned axis of one cell, searched on a grid with the other axes held."""

    path: str
    #: axis or path -> value of the other axes
    base: dict[str, Any]
    #: the tuning trials that belong to it
    numbers: list[int]
    #: how often its range was extended because the best value lay at its end
    extended: int = 0
    #: how often its grid was made finer around the best value
    refined: int = 0
    #: how often its best point was trained again, from other seeds
    confirmed: int = 0
    #: where the response is best, None before it is known; and at which end of what was tried: -1, 1, or 0 for inside
    best: Any = None
    end: int = 0


@dataclass
class Cell:
    """One combination of the compared axes, with the points at which its tuned axes are tried."""

    label: str
    values: dict[str, Any]
    overrides: tuple[str, ...]
    #: the label of the cell of which this is one repetition, on which fold; its own where nothing is repeated
    group: str = ""
    unit: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    #: what the configuration itself has at the tuned paths
    default: dict[str, Any] = field(default_factory=dict)
    #: one entry per tuning trial: its values, or None where an adaptive sampler chooses them later
    points: list[dict[str, Any] | None] = field(default_factory=list)
    #: in a joint search: axis -> label -> overrides; empty otherwise
    axes: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    regimen_hash: str = ""
    #: what trains this cell's trials; empty where they have no engine
    engine: str = ""
    #: the composed configuration (JSON, interpolations unresolved), and which option each group took: what workers
    #: train, whatever becomes of its files. Empty in a joint search, which composes from a copy of them.
    config: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    #: the hash of its data, and the numbers of examples, inputs and outputs
    data: str | None = None
    size: list[int] = field(default_factory=list)
    #: from which the seeds of its trials follow
    seed: int = 0
    #: the group of the cell that this one becomes as its technique goes to its limit; empty for none
    contains: str = ""
    #: the axes that have been searched so far, one after the other
    sweeps: list[Sweep] = field(default_factory=list)
    #: what the finals are trained with; None before the tuning is done
    best: dict[str, Any] | None = None
    #: the seed of each final that is asked for so far
    finals: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.group = self.group or self.label

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned here."""
        return bool(self.ranges or self.axes)

    def tuning_seed(self, number: int) -> int:
        """The seed of a tuning trial: the cell's own; another one each time that a sweep asks for a point again."""
        times = self.points[:number].count(self.points[number]) if self.sweeps else 0
        return derive_seed(self.seed, "tuning", times) if times else self.seed

    @property
    def directory(self) -> str:
        """The label as the name of a directory."""
        safe = re.sub(r"[^\w=.,+-]+", "-", self.label)
        return safe if len(safe) <= 80 and safe == self.label else f"{safe[:70]}-{digest(self.label)[:8]}"


@dataclass
class Study:
    """Everything that says what is to be trained; who trains it, where and when is not in here."""

    name: str
    id: str
    explicit_name: bool
    question: str | None
    source: Source
    cells: list[Cell]
    reference: str | None
    tuned: dict[str, Any]
    objectives: tuple[tuple[str, str], ...]
    mode: str
    sampler: str
    pruner: str
    epochs: int
    base_seed: int
    #: the finals of each cell: seeds that were named, else how many are asked for in the first round, and at most
    final_seeds: tuple[int, ...]
    seeds: int
    most_seeds: int
    #: differences below this are as good as none; further rounds of finals are asked for until that is settled
    settle: float | None
    trials: int
    #: how often a tuned range may be extended
    extend: int
    #: how often its grid may be made finer
    refine: int
    retries: int
    #: the code that moves numbers: results of another count only where `any_code`
    code: str
    any_code: bool
    #: the revision that this command ran, and the hash of each file that moves numbers: to say later what has changed
    revision: str
    sources: dict[str, str]
    #: what the identity was computed from
    identity: dict[str, Any]
    #: the overrides that a person typed, as far as they say what is trained
    asked: tuple[str, ...] = ()
    #: the options of `data` and `scale` that every cell starts from, and the base seed
    setting: dict[str, str] = field(default_factory=dict)
    #: the slots that are trained together; a cell with engine=fleet has all of its slots here, unless `alone`
    fleets: list[list[Slot]] = field(default_factory=list)
    #: why no trials are trained together, if so
    alone: str = ""
    #: differences within ± this are called equal, unless `settle` says another; None: none are
    margin: float | None = 0.005
    #: the value of the selecting metric whose time to reach it is told; None: of none
    target: float | None = None
    #: the compared axis whose values are a sample of problems, over which the other axes are asked; None: there is none
    over: str | None = None
    #: seconds of training, of all workers together, that decide how many trials there are; None: what is asked for
    budget: float | None = None
    #: what a person is told of how that time is used
    plan: str = ""
    #: how many rounds of trials have been asked for, and whether no other one follows
    round: int = 0
    complete: bool = False

    @property
    def together(self) -> set[str]:
        """The labels of the cells whose trials are in fleets."""
        return {slot[0] for slots in self.fleets for slot in slots}

    @property
    def groups(self) -> dict[str, list[Cell]]:
        """What is compared: label -> its cells, of which there are several where it is repeated."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.group, []).append(cell)
        return found

    @property
    def key(self) -> str:
        """The name that tells this study from every other one, for directories and databases."""
        return f"{self.name}-{self.id}"

    @property
    def title(self) -> str:
        """The name of the exported files: a declared or named study's own; an unnamed one's with its identity."""
        return self.name if self.name != UNNAMED else self.key

    @property
    def metric(self) -> str:
        """The metric that selects a cell's best regimen."""
        return self.objectives[0][0]

    @property
    def judged(self) -> bool:
        """Whether a cell can be better than another; otherwise its metric is measured, and nothing more."""
        return self.objectives[0][1] != MEASURE

    @property
    def problems(self) -> dict[str, dict[str, Cell]]:
        """Value of the axis `over` -> label of a cell's other values -> cell; empty where there is no such axis."""
        found: dict[str, dict[str, Cell]] = {}
        for cell in self.cells if self.over else ():
            rest = {axis: value for axis, value in cell.values.items() if axis != self.over}
            label = ",".join(f"{axis}={value}" for axis, value in rest.items())
            found.setdefault(str(cell.values[str(self.over)]), {})[label] = cell
        return found

    @property
    def references(self) -> list[str]:
        """The labels of the cells that others are compared with: the reference, and its like on every other problem."""
        if self.reference is None:
            return []
        told = {label for one in self.problems.values() for label, cell in one.items() if cell.label == self.reference}
        alike = [one[label].label for one in self.problems.values() for label in told]
        return alike or [self.reference]

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        return self.objectives[0][1] != "minimize"

    @property
    def directions(self) -> list[str]:
        """The direction of each objective, for Optuna, which knows no metric without one."""
        return [direction if self.judged else "maximize" for _, direction in self.objectives]

    def count(self, cell: Cell, phase: str) -> int:
        """How many trials a phase of a cell has."""
        return len(cell.points) if phase == "tuning" else len(cell.finals)

    def phases(self, cell: Cell) -> tuple[str, ...]:
        """The phases of a cell, in order."""
        return ("tuning", "final") if cell.tuned else ("final",)

    @property
    def slots(self) -> Iterator[tuple[Cell, str, int]]:
        """Every trial that is asked for so far: its cell, its phase, and its number there."""
        for cell in self.cells:
            for phase in self.phases(cell):
                for number in range(self.count(cell, phase)):
                    yield cell, phase, number

    @property
    def total(self) -> int:
        """The number of trials that are asked for so far."""
        return sum(self.count(cell, phase) for cell in self.cells for phase in self.phases(cell))

    @property
    def expected(self) -> int:
        """`total`, and the first finals of the cells that are still tuned."""
        first = len(self.final_seeds) or self.seeds
        return self.total + sum(first for cell in self.cells if not cell.finals)

    def cell(self, label: str) -> Cell:
        """The cell of this label."""
        return next(cell for cell in self.cells if cell.label == label)

    def adopt(self, other: Study) -> None:
        """Take over the state of another copy of this study, in place: which trials are asked for."""
        for mine, theirs in zip(self.cells, other.cells, strict=True):
            mine.points, mine.sweeps, mine.best, mine.finals = theirs.points, theirs.sweeps, theirs.best, theirs.finals
            mine.engine = theirs.engine
        self.fleets, self.alone = other.fleets, other.alone
        self.trials, self.plan = other.trials, other.plan
        self.round, self.complete = other.round, other.complete

    def save(self, directory: Path) -> None:
        """Write `study.json` into the study's directory."""
        write_json(finite(asdict(self)), directory / "study.json")

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read `study.json`."""
        raw = restore(json.loads(path.read_text()))
        raw["source"] = Source(
            raw["source"]["config_name"],
            tuple(raw["source"]["search_path"]),
            tuple(raw["source"]["hydra_overrides"]),
        )
        raw["cells"] = [
            Cell(
                **{
                    **cell,
                    "overrides": tuple(cell["overrides"]),
                    "ranges": {key: make_range(one, key) for key, one in cell["ranges"].items()},
                    "sweeps": [Sweep(**one) for one in cell["sweeps"]],
                    "axes": {
                        axis: {label: tuple(overrides) for label, overrides in labels.items()}
                        for axis, labels in cell["axes"].items()
                    },
                }
            )
            for cell in raw["cells"]
        ]
        raw["objectives"] = tuple((name, direction) for name, direction in raw["objectives"])
        raw["final_seeds"] = tuple(raw["final_seeds"])
        raw["asked"] = tuple(raw.get("asked", ()))
        return cls(**raw)
