"""One trial that somebody has the right to run: what it is, where it lies, and the lock that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.core.locks import Lock
from regimens.core.result import Result, write
from regimens.study.definition.study import Cell
from regimens.study.queue.trial_files import TrialFiles
from regimens.trial.identity import Identity
from regimens.trial.record import unfinished


@dataclass
class Claim:
    """One trial, and the right to run it for as long as its lock is held."""

    cell: Cell
    phase: str
    number: int
    #: axis or path -> value
    values: dict[str, Any]
    files: TrialFiles
    #: Optuna's trial; None where the claim only says which trial is meant
    trial: Any
    lock: Lock

    @property
    def directory(self) -> Path:
        """Where it leaves what it leaves."""
        return self.files.place(self.cell, self.phase, self.number)

    @property
    def seed(self) -> int:
        """The seed that it is trained with."""
        return self.files.seed(self.cell, self.phase, self.number)

    @property
    def identity(self) -> Identity:
        """What it has to be."""
        return self.files.identity(self.cell, self.phase, self.number, self.values)

    @property
    def about(self) -> dict[str, Any]:
        """What its result says about its study."""
        return self.files.about(self.cell, self.phase, self.number, self.values)

    @property
    def config(self) -> dict[str, Any]:
        """Its resolved configuration."""
        return self.files.config(self.cell, self.phase, self.number, self.values)

    @property
    def choices(self) -> Mapping[str, str]:
        """The option of each group."""
        return self.files.choices(self.cell, self.values)

    def write_unfinished(self, status: str, error: Mapping[str, str] | None = None) -> Result:
        """Write the result of a trial that could not write its own: pruned, failed, out of memory or time, or dead."""
        result = unfinished(
            self.config, choices=self.choices, status=status, study=self.about, error=error, identity=self.identity
        )
        write(result, self.directory)
        return result


@dataclass
class Batch:
    """Trials that are trained together: those that are claimed, among all `members` of their fleet, in order.

    A member that is not claimed has its result already. On a GPU it is trained along, since the others' last bits
    depend on it.
    """

    claims: list[Claim]
    members: list[Claim]
    #: of the fleet, and the file that makes its results appear together; neither for a single trial
    lock: Lock | None = None
    journal: Path | None = None

    def release(self) -> None:
        """Let go of everything."""
        for claim in self.claims:
            claim.lock.release()
        if self.lock is not None:
            self.lock.release()
