"""The trials of a study on the disk: where each lies, what it has to be, and its result, if that is what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.result import FILE_NAME, Result, read
from regimens.study.definition import joint_search
from regimens.study.definition.composer import Composed, Composer
from regimens.study.definition.study import Cell, Study
from regimens.trial.identity import Identity, content_of

SOURCES = "conf"  # in the study's directory: the configuration that a joint search composes from, as it was


@dataclass
class TrialFiles:
    """What a study in `directory` asks for, and what of it is there."""

    study: Study
    directory: Path
    #: the hash of the data that a resolved configuration names: asked where what is tuned changes the data
    hash_of: Callable[[Mapping[str, Any]], str | None] = lambda config: None
    _composer: Composer | None = None
    _bases: dict[str, Composed] = field(default_factory=dict)
    _identities: dict[str, Identity] = field(default_factory=dict)
    #: result files as they were when they were read: (time of change, inode), result
    _results: dict[Path, tuple[tuple[int, int], Result | None]] = field(default_factory=dict)

    def place(self, cell: Cell, phase: str, number: int) -> Path:
        """The directory of a trial; it follows from the trial's place in the study alone."""
        return self.directory / cell.directory / f"{phase}-{number}"

    def values(self, cell: Cell, phase: str, number: int) -> dict[str, Any] | None:
        """What the study says that a trial is trained with, axis or path -> value; None where a sampler will say."""
        return cell.points[number] if phase == "tuning" else cell.best

    def seed(self, cell: Cell, phase: str, number: int) -> int:
        """The seed of a trial."""
        return cell.tuning_seed(number) if phase == "tuning" else cell.finals[number]

    def config(self, cell: Cell, phase: str, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """The resolved configuration of a trial."""
        own = {"seed": self.seed(cell, phase, number), "test": phase == "final"}
        set_values = {**own, **with_engine(cell), **joint_search.params_of(cell, dict(values))}
        return self._base(cell, values).resolved_with(set_values)

    def choices(self, cell: Cell, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Which option each group of a trial's configuration took."""
        return self._base(cell, values).choices

    def leaves_engine_open(self, cell: Cell) -> bool:
        """Whether a cell's configuration leaves the engine to the study."""
        return bool(cell.config) and json.loads(cell.config).get("engine") == "auto"

    def plain(self, cell: Cell, values: Mapping[str, Any]) -> dict[str, Any]:
        """The resolved configuration of a cell with these values, but for seed and `test`."""
        set_values = {**with_engine(cell), **joint_search.params_of(cell, dict(values))}
        return self._base(cell, values).resolved_with(set_values)

    def identity(self, cell: Cell, phase: str, number: int, values: Mapping[str, Any]) -> Identity:
        """What a trial has to be."""
        seed = self.seed(cell, phase, number)
        key = json.dumps([cell.label, cell.engine, phase, seed, values], sort_keys=True, default=str)
        if key not in self._identities:
            self._identities[key] = self._identify(cell, phase, number, values)
        return self._identities[key]

    def _identify(self, cell: Cell, phase: str, number: int, values: Mapping[str, Any]) -> Identity:
        config = self.config(cell, phase, number, values)
        tuned = any(path.partition(".")[0] in ("data", "task") for path in values)
        data = self.hash_of(config) if tuned else cell.data
        return Identity(content_of(config, data, cell.engine or str(config.get("engine"))), self.study.code)

    def read(self, cell: Cell, phase: str, number: int) -> Result | None:
        """The result of a trial, None where there is none that can be read, or that of another trial."""
        result = self._finished(self.place(cell, phase, number))
        if result is None:
            return None
        values = self.values(cell, phase, number)
        if values is None:
            values = (result.study or {}).get("params") or {}
        return result if self.counts(result, self.identity(cell, phase, number, values)) else None

    def _finished(self, place: Path) -> Result | None:
        """`read_finished`, of a file that has not changed since it was read without reading it again."""
        try:
            told = (place / FILE_NAME).stat()
        except OSError:
            return None
        version = (told.st_mtime_ns, told.st_ino)  # results are replaced, never written over
        if self._results.get(place, (None,))[0] != version:
            self._results[place] = version, read_finished(place)
        return self._results[place][1]

    def counts(self, result: Result, identity: Identity) -> bool:
        """Whether a result is that of the trial called `identity`, the code aside where the study takes any."""
        named = result.trial or {}
        return named.get("content") == identity.content and (self.study.any_code or named.get("code") == identity.code)

    def about(self, cell: Cell, phase: str, number: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a trial's result says about its study."""
        return {
            "name": self.study.name,
            "id": self.study.id,
            "cell": cell.values,
            "phase": phase,
            "number": number,
            "params": dict(values),
            **cell.unit,
        }

    def results(self, cell: Cell, phase: str) -> list[Result | None]:
        """The results of a phase of a cell, by number; None where there is none."""
        return [self.read(cell, phase, number) for number in range(self.study.count(cell, phase))]

    def everything(self) -> list[Result | None]:
        """The result of every trial that is asked for, in order."""
        return [self.read(*slot) for slot in self.study.slots]

    @property
    def composer(self) -> Composer:
        """Composes what a joint search chooses, from the copy in the study's directory."""
        if self._composer is None:
            self._composer = Composer(self.study.source.inside(self.directory / SOURCES))
        return self._composer

    def _base(self, cell: Cell, values: Mapping[str, Any]) -> Composed:
        """A cell's composed configuration, with the options that `values` takes of its axes."""
        if not cell.config:
            return self.composer.compose(joint_search.overrides_of(cell, dict(values)))
        if cell.label not in self._bases:
            self._bases[cell.label] = Composed.from_text(cell.config, cell.choices)
        return self._bases[cell.label]


def with_engine(cell: Cell) -> dict[str, str]:
    """The engine that the study chose for a cell, if it did."""
    return {"engine": cell.engine} if cell.engine else {}


def read_finished(directory: Path) -> Result | None:
    """The result in a trial's directory, or None if there is none that can be read."""
    if not (directory / FILE_NAME).exists():
        return None
    try:
        return read(directory)
    except (UserError, OSError):
        return None
