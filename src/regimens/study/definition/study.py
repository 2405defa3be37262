"""A study and its cells: plain values only, written to `study.json`, all that a worker needs to know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from regimens.core.files import write_json
from regimens.core.hashing import digest
from regimens.core.result import finite
from regimens.core.secrets import restore
from regimens.study.definition.composer import Source
from regimens.study.definition.search_space import Range, make_range
from regimens.study.definition.settings import MEASURE

#: [cell's label, phase, number]
Slot = list[Any]


@dataclass
class Cell:
    """One combination of the compared axes, with the points at which its tuned axes are tried."""

    label: str
    values: dict[str, Any]
    overrides: tuple[str, ...]
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

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned here."""
        return bool(self.ranges or self.axes)

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
    final_seeds: tuple[int, ...]
    trials: int
    retries: int
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

    @property
    def together(self) -> set[str]:
        """The labels of the cells whose trials are in fleets."""
        return {slot[0] for slots in self.fleets for slot in slots}

    @property
    def key(self) -> str:
        """The name that tells this study from every other one, for directories and databases."""
        return f"{self.name}-{self.id}"

    @property
    def title(self) -> str:
        """The name of the exported files: a declared or named study's own; an unnamed one's with its identity."""
        return self.name if self.name != "adhoc" else self.key

    @property
    def metric(self) -> str:
        """The metric that selects a cell's best regimen."""
        return self.objectives[0][0]

    @property
    def judged(self) -> bool:
        """Whether a cell can be better than another; otherwise its metric is measured, and nothing more."""
        return self.objectives[0][1] != MEASURE

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
        return len(cell.points) if phase == "tuning" else len(self.final_seeds)

    def phases(self, cell: Cell) -> tuple[str, ...]:
        """The phases of a cell, in order."""
        return ("tuning", "final") if cell.tuned else ("final",)

    @property
    def slots(self) -> Iterator[tuple[Cell, str, int]]:
        """Every trial of the whole budget: its cell, its phase, and its number there."""
        for cell in self.cells:
            for phase in self.phases(cell):
                for number in range(self.count(cell, phase)):
                    yield cell, phase, number

    @property
    def total(self) -> int:
        """The number of trials in the whole budget."""
        return sum(self.count(cell, phase) for cell in self.cells for phase in self.phases(cell))

    def cell(self, label: str) -> Cell:
        """The cell of this label."""
        return next(cell for cell in self.cells if cell.label == label)

    def save(self, directory: Path) -> None:
        """Write `study.json` into the study's directory."""
        write_json(finite(asdict(self)), directory / "study.json")

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read `study.json`."""
        raw = restore(json.loads(path.read_text()))
        raw["source"] = Source(
            raw["source"]["config_name"],
            tuple((provider, place) for provider, place in raw["source"]["search_path"]),
            tuple(raw["source"]["hydra_overrides"]),
        )
        raw["cells"] = [
            Cell(
                **{
                    **cell,
                    "overrides": tuple(cell["overrides"]),
                    "ranges": {key: make_range(one, key) for key, one in cell["ranges"].items()},
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
