"""One phase of one cell, in Optuna: a study there, with one trial for each slot of the phase.

The slots are known when the study is defined, so the budget is exact by construction. A worker owns a slot while it
holds the slot's lock; a slot that Optuna calls running and whose lock is free belonged to the dead, and waits again as
the trial that it was: its number and its suggested values stay, so that an adaptive sampler does not notice.
A slot whose directory holds a `result.json` is done.
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
from regimens.core.result import BROKEN, SET_ASIDE, Result
from regimens.study.definition import joint_search
from regimens.study.definition.composer import Composer
from regimens.study.definition.samplers import FIXED, make_sampler
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.claim import Claim
from regimens.study.queue.finished import best_point, place, read_finished
from regimens.study.queue.optuna_slots import Slots, Space


@dataclass
class Phase:
    """The slots of one phase of one cell; `next`, `waiting`, `ask` and `reopen` want `lock` to be held around them."""

    study: Study
    cell: Cell
    name: str
    #: of the study
    directory: Path
    optuna: optuna.Study
    storage: BaseStorage
    composer: Composer
    slots: Slots = field(init=False)
    #: True once RUNNING trials of dead workers were requeued. This precedes any new slot: adaptive samplers depend on
    #: the order of trials.
    _resumed: bool = False
    #: what the finals of a tuned cell are trained with
    _best: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.slots = Slots(self.optuna, self.storage)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else hands out or takes back trials of this phase meanwhile."""
        with held(self.directory / "locks" / f"{self.cell.directory}-{self.name}.lock"):
            yield

    @property
    def numbers(self) -> range:
        """The slots."""
        return range(self.study.count(self.cell, self.name))

    @property
    def finished(self) -> bool:
        """Whether every slot was finished when last looked at."""
        return len(self.slots.finished) == len(self.numbers) and not self._unsure

    @property
    def _unsure(self) -> bool:
        """Whether these are finals of a tuned cell, and nobody has looked whether they are of its best regimen."""
        return self.name == "final" and bool(self.cell.tuned) and self._best is None

    def next(self, sessions: Path) -> FrozenTrial | None:
        """The next trial that waits; None if all run or are finished. A slot is begun when its turn comes, not before:
        Optuna reads all that waits again and again. `sessions` is the directory with the sessions' locks.
        """
        if self.finished:
            return None
        self._open_up()
        if not self._resumed:
            self._resumed = True
            self._look_at_all(sessions)
        while not self.slots.waiting and (number := self.slots.unbegun) in self.numbers:
            self._begin(number)
            self.slots.read()
        if not self.slots.waiting:
            self._look_at_all(sessions)
        return self.slots.trials[min(self.slots.waiting)] if self.slots.waiting else None

    def waiting(self, numbers: Sequence[int], sessions: Path) -> list[FrozenTrial]:
        """Those of these slots that wait, none of which anybody may be working on: the caller holds their fleet."""
        self._open_up()
        for number in numbers:
            if number not in self.slots.trials:
                self._begin(number)
        self.slots.read()
        for number in set(numbers) - self.slots.finished - self.slots.waiting:
            self._look(number, sessions, wait=True)
        self.slots.read()
        return [self.slots.trials[number] for number in numbers if number in self.slots.waiting]

    def done(self, number: int) -> bool:
        """Whether a slot was finished when last looked at."""
        return number in self.slots.finished and not self._unsure

    def trials(self) -> dict[int, FrozenTrial]:
        """The newest Optuna trial of each slot that has one."""
        self.slots.read()
        return self.slots.trials

    def _open_up(self) -> None:
        """Read, and make sure of what the finals are."""
        self.slots.read()
        if self._unsure:
            self._renew()

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
        """Have finished slots run again whose result is gone, and with `broken` those that broke; returns how many."""
        finished = {number: trial for number, trial in self.trials().items() if trial.state.is_finished()}
        count = 0
        for number, trial in finished.items():
            result = read_finished(self.place(number))
            if result is None or (broken and result.status in BROKEN):
                self._replace(number, trial, trial.user_attrs.get("values"))
                count += 1
        return count

    def tell(self, number: int, result: Result) -> None:
        """Record in Optuna how the trial of this Optuna number ended, unless it has been."""
        self.slots.tell(number, self.study, result)

    def place(self, number: int) -> Path:
        """The directory of a slot's trial."""
        return place(self.directory, self.cell, self.name, number)

    def claim_of(
        self, number: int, values: dict[str, Any], trial: optuna.Trial | None = None, lock: Lock | None = None
    ) -> Claim:
        """The claim on a slot; without `trial` and `lock`, one that only says which trial is meant."""
        seed = self.study.final_seeds[number] if self.name == "final" else self.study.base_seed
        lock = lock or self._slot_lock(number)
        return Claim(self.cell, self.name, number, seed, values, self.place(number), trial, lock)

    def _look_at_all(self, sessions: Path) -> None:
        """Take back what the dead left running."""
        for number in self.slots.running:
            self._look(number, sessions)
        self.slots.read()

    def _look(self, number: int, sessions: Path, *, wait: bool = False) -> None:
        """Take a running trial back if its owner is dead; `wait` where it must be, if perhaps a moment ago."""
        lock = self._slot_lock(number)
        if not lock.acquire(wait=wait):
            return
        try:
            trial = self.trials()[number]
            if trial.state == TrialState.RUNNING:  # its owner did not finish it while we looked
                self._take_back(number, trial, sessions)
        finally:
            lock.release()

    def _renew(self) -> None:
        """Find the cell's best regimen, and replace finals of another one: tuning trials may have been run again."""
        self._best = best_point(self.study, self.cell, self.directory)
        for number, trial in list(self.slots.trials.items()):
            if trial.state != TrialState.RUNNING and trial.user_attrs.get("values") != self._best:
                self._replace(number, trial, self._best)

    def _replace(self, number: int, trial: FrozenTrial, values: dict[str, Any] | None) -> None:
        """Set a slot's trial and its directory aside, and let another one wait in its place."""
        directory = self.place(number)
        if directory.exists():
            directory.rename(directory.with_name(f"{directory.name}{SET_ASIDE}{trial.number}"))
        self.slots.drop(trial)
        self._enqueue(number, values)
        self.slots.read()

    def _begin(self, number: int) -> None:
        """Record a slot that Optuna does not know: done, if it has a result; else to be run."""
        result = read_finished(self.place(number))
        if result is None:
            self._enqueue(number, self._point(number))
            return
        values = (result.study or {}).get("params") or {}
        self.slots.add_finished(number, values, self._space(values), self.study, result)

    def _take_back(self, number: int, trial: FrozenTrial, sessions: Path) -> None:
        """Record what a dead worker had finished; what it had not waits for another, or is given up."""
        result = read_finished(self.place(number))
        charged = int(trial.user_attrs.get("charged", 0))
        owner = trial.user_attrs.get("owner") or {}
        if result is None and owner.get("session") and is_held(sessions / f"session-{owner['session']}.lock"):
            charged += 1  # its command lives on, so the trial took its worker down
            self.slots.note(trial, "charged", charged)
        if result is None and charged > self.study.retries:
            claim = self.claim_of(number, trial.user_attrs.get("values") or {})
            error = {"type": "WorkerDied", "message": f"its worker died {charged} times", "traceback": ""}
            result = claim.write_unfinished(self.study, self.composer, "killed", error)
        if result is not None:
            self.tell(trial.number, result)
        else:
            self.slots.requeue(trial)

    def _point(self, number: int) -> dict[str, Any] | None:
        if self.name == "tuning":
            return self.cell.points[number]
        return dict(self._best or {})

    def _enqueue(self, number: int, values: dict[str, Any] | None) -> None:
        self.slots.enqueue(number, values, self._space(values or {}))

    def _space(self, values: dict[str, Any]) -> Space:
        """These values as Optuna knows them; empty where its space does not hold them."""
        return joint_search.space_of(self.cell, values, self.study.tuned, self.composer) or {} if values else {}

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return joint_search.suggest(trial, self.cell, self.study.tuned, self.composer)

    def _slot_lock(self, number: int) -> Lock:
        return Lock(self.directory / "locks" / self.cell.directory / f"{self.name}-{number}.lock")
