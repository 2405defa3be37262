"""Who does what: hands out the trials of a study, one by one or by fleets, and takes their results back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from regimens.core.errors import UserError
from regimens.core.hashing import derive_seed, digest
from regimens.core.locks import Lock, held
from regimens.core.result import FILE_NAME, Result, finish_together
from regimens.core.terminal import counted
from regimens.study.definition.engine_plan import plan_fleets
from regimens.study.definition.pruners import make_pruner
from regimens.study.definition.samplers import make_sampler
from regimens.study.definition.study import Cell, Slot, Study
from regimens.study.queue import rounds
from regimens.study.queue.claim import Batch, Claim
from regimens.study.queue.own_cell import OwnCell
from regimens.study.queue.phase import Phase
from regimens.study.queue.sessions import busy
from regimens.study.queue.takeover import KnownTrials, take_over
from regimens.study.queue.trial_files import TrialFiles

AT_ONCE = 4  # times that a worker looks anew where another one came at the same moment
NAP = 0.5  # seconds; with hundreds of workers, as many cells have all their trials running


@dataclass
class TrialQueue:
    """The state of one study, shared through its storage and its directory by all processes that work on it."""

    files: TrialFiles
    storage: BaseStorage
    #: the name of the study's directory, wherever it is mounted
    place_name: str
    #: whose workers these are: the session's lock is held while their supervisor lives
    session: str = "alone"
    #: for how many seconds its workers wait for a storage that is away
    storage_wait: float = 0
    _phases: dict[tuple[str, str], Phase] = field(default_factory=dict)
    _own: OwnCell = field(init=False)
    #: phases that had nothing to hand out -> when to look again
    _asleep: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._own = OwnCell(self.directory / "locks" / "cells")

    @property
    def study(self) -> Study:
        """What is asked for so far."""
        return self.files.study

    @property
    def directory(self) -> Path:
        """Of the study."""
        return self.files.directory

    def claim_batch(self) -> Batch | None:
        """The next trials that nobody works on, or None; `finished` says whether to wait for others."""
        while True:
            if batch := self._claim_any():
                return batch
            if not self._round_finished or not self.advance():
                return None

    def _claim_any(self) -> Batch | None:
        for slots in self.study.fleets:
            if batch := self._claim_fleet(slots):
                return batch
        claim = self.claim()
        return Batch([claim], [claim]) if claim else None

    def claim(self) -> Claim | None:
        """The next trial that nobody works on and that is in no fleet, or None.

        First of the cell that this worker is in, then of one that no other worker is in, then of any.
        """
        if self._own.cell is not None and (claim := self._claim_of(self._own.cell)):
            return claim
        self._own.leave()
        cells = self._ahead()
        for _ in range(AT_ONCE):
            if not cells or self._own.enter(cells[0]):
                break
            cells = self._ahead()
        for cell in cells:
            if (self._own.cell == cell or self._own.enter(cell)) and (claim := self._claim_of(cell)):
                return claim
        self._own.leave()
        return next((claim for cell in cells if (claim := self._claim_of(cell))), None)

    def _ahead(self) -> list[Cell]:
        together, cells = self.study.together, self.study.cells
        return self._own.ahead(cells, [cell.label not in together and self._is_open(cell) for cell in cells])

    def _claim_of(self, cell: Cell) -> Claim | None:
        phases = (self._phase(cell, name) for name in self.study.phases(cell))
        return next((claim for phase in phases if (claim := self._claim_in(phase))), None)

    def _is_open(self, cell: Cell) -> bool:
        return not all(self._phase(cell, name).finished for name in self.study.phases(cell))

    def catch_up(self, known: KnownTrials, *, broken: bool) -> Counter[str]:
        """Replay the rounds that have been trained already, and take over what has been trained elsewhere.

        What lost its result is run again, and with `broken` what broke. Returns from where how many were taken over;
        nothing is done where another command works on the study.
        """
        if busy(self.directory, self.session):
            return Counter()
        plan_fleets(self.study, self.files.plain)
        taken = take_over(self.files, known)
        again = self.reopen(broken=broken)
        while all(result is not None for result in self.files.everything()):
            if not rounds.advance(self.study, self.files.results):
                break
            plan_fleets(self.study, self.files.plain)
            taken += take_over(self.files, known)
            again += self.reopen(broken=broken)
        self.study.save(self.directory)
        if again:
            lost = "its result, and is" if again == 1 else "their result, and are"
            print(f"{self.study.name}: {counted(again, 'trial')} broke or lost {lost} run again")
        return taken

    def advance(self) -> bool:
        """Ask for the next round, or learn which one somebody else has asked for; False where the study is complete."""
        if self.study.complete:
            return False
        with held(self.directory / "locks" / "definition.lock"):
            saved = Study.load(self.directory / "study.json")
            if saved.round > self.study.round or saved.complete:
                self.study.adopt(saved)
                return not saved.complete
            further = rounds.advance(self.study, self.files.results)
            if further:
                plan_fleets(self.study, self.files.plain)
                take_over(self.files, KnownTrials.below(self.directory.parent))
                self.reopen(broken=False)  # Optuna may know of finals from before their tuning was run again
            self.study.save(self.directory)
        return further

    @property
    def finished(self) -> bool:
        """Whether the study is complete, as far as the last `claim_batch` saw."""
        return self.study.complete and self._round_finished

    @property
    def _round_finished(self) -> bool:
        return all(self._phase(cell, name).finished for cell in self.study.cells for name in self.study.phases(cell))

    def look(self) -> int:
        """Learn which rounds others have asked for; how many trials have no result."""
        saved = Study.load(self.directory / "study.json")
        if saved.round > self.study.round or saved.complete:
            self.study.adopt(saved)
        return len(self.open_places())

    def open_places(self) -> list[Path]:
        """The directory of each trial that has no result."""
        places = (self.files.place(*slot) for slot in self.study.slots)
        return [one for one in places if not (one / FILE_NAME).exists()]

    def finish(self, claim: Claim, result: Result) -> None:
        """Tell Optuna how a trial ended, and let go of it; may be called again where it failed."""
        phase = self._phase(claim.cell, claim.phase)
        phase.tell(claim.trial.number, result)
        self._asleep.pop(id(phase), None)
        claim.lock.release()

    def record_timeout(self, label: str, name: str, number: int, limit: float) -> bool:
        """Write that a trial overran its time; False if it has a result after all."""
        cell = self.study.cell(label)
        if self.files.read(cell, name, number) is not None:
            return False
        phase = self._phase(cell, name)
        values = phase.trials()[number].user_attrs.get("values") or {}
        error = {"type": "Timeout", "message": f"over {limit:g} s", "traceback": ""}
        phase.claim_of(number, values).write_unfinished("timeout", error)
        return True

    def reopen(self, *, broken: bool) -> int:
        """Have finished trials run again whose result is gone; with `broken` those, too, that failed, hung, ran out of
        memory or were killed. Returns how many.
        """
        count = 0
        for cell in self.study.cells:
            for name in self.study.phases(cell):
                phase = self._phase(cell, name)
                with phase.lock():
                    count += phase.reopen(broken=broken)
        return count

    def _claim_fleet(self, slots: Sequence[Slot]) -> Batch | None:
        """What is left of a fleet that nobody trains, and the members that are done."""
        phases = [(self._phase(self.study.cell(label), name), number) for label, name, number in slots]
        if all(phase.done(number) for phase, number in phases):
            return None
        name = self.directory / "locks" / f"fleet-{digest(list(slots))[:12]}"
        lock, journal = Lock(name.with_suffix(".lock")), name.with_suffix(".json")
        if not lock.acquire(wait=False):
            return None
        batch = Batch([], [], lock, journal)
        try:
            finish_together(journal)
            for (label, name), members in groupby(slots, key=lambda slot: (slot[0], slot[1])):
                self._join(batch, self._phase(self.study.cell(label), name), [slot[2] for slot in members])
        except BaseException:
            batch.release()
            raise
        if batch.claims:
            return batch
        batch.release()
        return None

    def _join(self, batch: Batch, phase: Phase, numbers: Sequence[int]) -> None:
        """Claim what waits of a phase's part of a fleet; the others are trained along."""
        with phase.lock():
            waiting = {trial.user_attrs["slot"]: trial for trial in phase.waiting(numbers)}
            trials = phase.trials()
            for number in numbers:
                if number in waiting:
                    member = phase.ask(waiting[number], self._owner)
                    batch.claims.append(member)
                else:
                    member = phase.claim_of(number, trials[number].user_attrs.get("values") or {})
                batch.members.append(member)

    @property
    def _owner(self) -> dict[str, str]:
        return {"session": self.session}

    def _claim_in(self, phase: Phase) -> Claim | None:
        if phase.finished:
            return None
        if time.monotonic() < self._asleep.get(id(phase), 0.0):
            return None
        with phase.lock():
            if waiting := phase.next():
                return phase.ask(waiting, self._owner)
        self._asleep[id(phase)] = time.monotonic() + NAP
        return None

    def _phase(self, cell: Cell, name: str) -> Phase:
        if (cell.label, name) not in self._phases:
            handle = optuna.create_study(
                study_name=f"{self.study.key}/{cell.label}/{name}",
                storage=self.storage,
                directions=self.study.directions,
                sampler=make_sampler("random", derive_seed(self.study.base_seed, cell.label, name)),
                pruner=make_pruner(self.study.pruner if name == "tuning" else "none", self.study.epochs),
                load_if_exists=True,
            )
            self._check_place(handle)
            self._phases[cell.label, name] = Phase(cell, name, self.files, handle, self.storage)
        return self._phases[cell.label, name]

    def _check_place(self, handle: optuna.Study) -> None:
        """Refuse a storage that counts on trials in another directory: their results and locks are not here."""
        name, _, here = self.place_name.partition(" ")
        known = handle.user_attrs.get("place")
        if known is None:
            handle.set_user_attr("place", self.place_name)
        elif known.partition(" ")[0] != name:
            raise UserError(
                f"study.storage: this study's trials lie in {known.partition(' ')[2]}, not in {here}; all workers of a "
                "study need one directory that their machines share: set paths.runs to it (or, if that directory is "
                "gone, start the study anew with study.recover=true)"
            )
