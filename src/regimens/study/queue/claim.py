"""One trial that somebody has the right to run: what it is, where it lies, and the lock that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.core.locks import Lock
from regimens.core.result import Result, write
from regimens.study.definition import joint_search
from regimens.study.definition.composer import Composed, Composer
from regimens.study.definition.study import Cell, Study
from regimens.trial.record import unfinished


@dataclass
class Claim:
    """One trial, and the right to run it for as long as its lock is held."""

    cell: Cell
    phase: str
    number: int
    seed: int
    #: axis or path -> value
    values: dict[str, Any]
    directory: Path
    #: Optuna's trial; None where the claim only says which trial is meant
    trial: Any
    lock: Lock

    def compose(self, composer: Composer) -> Composed:
        """The configuration of this trial."""
        values = {"seed": self.seed, "test": self.phase == "final", **joint_search.params_of(self.cell, self.values)}
        values |= {"engine": self.cell.engine} if self.cell.engine else {}
        return composer.with_values(joint_search.overrides_of(self.cell, self.values), values)

    def about(self, study: Study) -> dict[str, Any]:
        """What this trial's result says about its study."""
        return {
            "name": study.name,
            "id": study.id,
            "cell": self.cell.values,
            "phase": self.phase,
            "number": self.number,
            "params": self.values,
        }

    def write_unfinished(
        self, study: Study, composer: Composer, status: str, error: Mapping[str, str] | None = None
    ) -> Result:
        """Write the result of a trial that could not write its own: pruned, failed, out of memory or time, or dead."""
        composed = self.compose(composer)
        about = self.about(study)
        result = unfinished(composed.cfg, choices=composed.choices, status=status, study=about, error=error)
        write(result, self.directory)
        return result


@dataclass
class Batch:
    """Trials that are trained together: those that are claimed, among all `members` of their fleet, in order.

    A member that is not claimed has its result already. It is trained along, since the others' last bits depend on it.
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
