"""One phase of one cell, in Optuna: a study there, with one trial for each slot that is asked for so far.

A worker owns a slot while it holds the slot's lock; a slot that Optuna calls running and whose lock is free belonged to
the dead, and waits again as the trial that it was: its number and its suggested values stay, so that an adaptive
sampler does not notice. A slot whose directory holds the result of the trial that it has to be is done.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from regimens.core.hashing import derive_seed
from regimens.core.locks import Lock, held, is_held
from regimens.core.result import BROKEN, Result
from regimens.study.definition import joint_search
from regimens.study.definition.samplers import FIXED, make_sampler
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.claim import Claim
from regimens.study.queue.optuna_slots import Slots, Space
from regimens.study.queue.takeover import set_aside
from regimens.study.queue.trial_files import TrialFiles


@dataclass
class Phase:
    """The slots of one phase of one cell; `next`, `waiting`, `ask` and `reopen` want `lock` to be held around them."""

    cell: Cell
    name: str
    files: TrialFiles
    optuna: optuna.Study
    storage: BaseStorage
    slots: Slots = field(init=False)
    #: True once RUNNING trials of dead workers were requeued. This precedes any new slot: adaptive samplers depend on
    #: the order of trials.
    _resumed: bool = False

    def __post_init__(self) -> None:
        self.slots = Slots(self.optuna, self.storage)

    @property
    def study(self) -> Study:
        """The study that this is a phase of."""
        return self.files.study

    @property
    def locks(self) -> Path:
        """Where the locks of the study's slots and sessions are."""
        return self.files.directory / "locks"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else hands out or takes back trials of this phase meanwhile."""
        with held(self.locks / f"{self.cell.directory}-{self.name}.lock"):
            yield

    @property
    def numbers(self) -> range:
        """The slots that are asked for so far."""
        return range(self.study.count(self.cell, self.name))

    @property
    def finished(self) -> bool:
        """Whether every slot was finished when last looked at."""
        return self.slots.finished.issuperset(self.numbers)

    def next(self) -> FrozenTrial | None:
        """The next trial that waits; None if all run or are finished. A slot is begun when its turn comes, not before:
        Optuna reads all that waits again and again.
        """
        if self.finished:
            return None
        self.slots.read()
        if not self._resumed:
            self._resumed = True
            self._look_at_all()
        while not self._waiting and (number := self.slots.unbegun) in self.numbers:
            self._begin(number)
            self.slots.read()
        if not self._waiting:
            self._look_at_all()
        return self.slots.trials[min(self._waiting)] if self._waiting else None

    def waiting(self, numbers: Sequence[int]) -> list[FrozenTrial]:
        """Those of these slots that wait, none of which anybody may be working on: the caller holds their fleet."""
        self.slots.read()
        for number in numbers:
            if number not in self.slots.trials:
                self._begin(number)
        self.slots.read()
        for number in set(numbers) - self.slots.finished - self.slots.waiting:
            self._look(number, wait=True)
        self.slots.read()
        return [self.slots.trials[number] for number in numbers if number in self.slots.waiting]

    def done(self, number: int) -> bool:
        """Whether a slot was finished when last looked at."""
        return number in self.slots.finished

    def trials(self) -> dict[int, FrozenTrial]:
        """The newest Optuna trial of each slot that has one."""
        self.slots.read()
        return self.slots.trials

    def ask(self, waiting: FrozenTrial, owner: dict[str, str]) -> Claim:
        """Make a waiting trial the caller's."""
        number = waiting.user_attrs["slot"]
        if self.study.sampler not in FIXED:
            seed = derive_seed(self.study.base_seed, self.cell.label, number)
            self.optuna.sampler = make_sampler(self.study.sampler, seed)
        lock = self._slot_lock(number)
        lock.acquire()
        try:
            trial = self.slots.start(waiting)
            values = trial.user_attrs.get("values")
            if values is None:
                values = self._suggest(trial)
                trial.set_user_attr("values", values)
            elif self._space(values):
                self._suggest(trial)
            trial.set_user_attr("owner", owner)
        except BaseException:
            lock.release()
            raise
        return self.claim_of(number, values, trial, lock)

    def reopen(self, *, broken: bool) -> int:
        """Have finished slots run again whose result is gone, or another trial's, and with `broken` those that broke.

        What was to be trained with other values than are asked for now is replaced. Returns how many finished ones.
        """
        count = 0
        for number, trial in list(self.trials().items()):
            if number not in self.numbers:
                continue
            asked = self.files.values(self.cell, self.name, number)
            if not trial.state.is_finished():
                if trial.state == TrialState.WAITING and asked is not None and trial.user_attrs.get("values") != asked:
                    self._replace(number, trial, asked)
                continue
            result = self.files.read(self.cell, self.name, number)
            if result is None or (broken and result.status in BROKEN):
                self._replace(number, trial, asked if asked is not None else trial.user_attrs.get("values"))
                count += 1
        return count

    def tell(self, number: int, result: Result) -> None:
        """Record in Optuna how the trial of this Optuna number ended, unless it has been."""
        self.slots.tell(number, self.study, result)

    def claim_of(
        self, number: int, values: dict[str, Any], trial: optuna.Trial | None = None, lock: Lock | None = None
    ) -> Claim:
        """The claim on a slot; without `trial` and `lock`, one that only says which trial is meant."""
        return Claim(self.cell, self.name, number, values, self.files, trial, lock or self._slot_lock(number))

    @property
    def _waiting(self) -> set[int]:
        return self.slots.waiting.intersection(self.numbers)

    def _look_at_all(self) -> None:
        """Take back what the dead left running."""
        for number in self.slots.running:
            self._look(number)
        self.slots.read()

    def _look(self, number: int, *, wait: bool = False) -> None:
        """Take a running trial back if its owner is dead; `wait` where it must be, if perhaps a moment ago."""
        lock = self._slot_lock(number)
        if not lock.acquire(wait=wait):
            return
        try:
            trial = self.trials()[number]
            if trial.state == TrialState.RUNNING:  # its owner did not finish it while we looked
                self._take_back(number, trial)
        finally:
            lock.release()

    def _replace(self, number: int, trial: FrozenTrial, values: dict[str, Any] | None) -> None:
        """Set a slot's trial and its directory aside, and let another one take its place."""
        if self.files.read(self.cell, self.name, number) is None or trial.state.is_finished():
            result = self.files.read(self.cell, self.name, number)
            if result is None or result.status in BROKEN:
                set_aside(self.files.place(self.cell, self.name, number))
        self.slots.drop(trial)
        self._begin(number, values)
        self.slots.read()

    def _begin(self, number: int, values: dict[str, Any] | None = None) -> None:
        """Record a slot's trial in Optuna: done, if it has its result; else to be run."""
        result = self.files.read(self.cell, self.name, number)
        if result is not None:
            found = (result.study or {}).get("params") or {}
            self.slots.add_finished(number, found, self._space(found), self.study, result)
            return
        set_aside(self.files.place(self.cell, self.name, number))
        asked = self.files.values(self.cell, self.name, number)
        wanted = asked if asked is not None else values
        self.slots.enqueue(number, wanted, self._space(wanted or {}))

    def _take_back(self, number: int, trial: FrozenTrial) -> None:
        """Record what a dead worker had finished; what it had not waits for another, or is given up."""
        result = self.files.read(self.cell, self.name, number)
        charged = int(trial.user_attrs.get("charged", 0))
        owner = trial.user_attrs.get("owner") or {}
        if result is None and owner.get("session") and is_held(self.locks / f"session-{owner['session']}.lock"):
            charged += 1  # its command lives on, so the trial took its worker down
            self.slots.note(trial, "charged", charged)
        if result is None and charged > self.study.retries:
            claim = self.claim_of(number, trial.user_attrs.get("values") or {})
            error = {"type": "WorkerDied", "message": f"its worker died {charged} times", "traceback": ""}
            result = claim.write_unfinished("killed", error)
        if result is not None:
            self.tell(trial.number, result)
        else:
            self.slots.requeue(trial)

    def _space(self, values: dict[str, Any]) -> Space:
        """These values as Optuna knows them; empty where its space does not hold them."""
        return joint_search.space_of(self.cell, values, self.study.tuned, self._compose) or {} if values else {}

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return joint_search.suggest(trial, self.cell, self.study.tuned, self._compose)

    def _compose(self, overrides: tuple[str, ...]) -> Any:
        return self.files.composer.compose(overrides)

    def _slot_lock(self, number: int) -> Lock:
        return Lock(self.locks / self.cell.directory / f"{self.name}-{number}.lock")
