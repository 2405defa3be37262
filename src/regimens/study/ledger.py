"""Who does what: hands out the trials of a study one by one, and takes their results back.

Every trial has a slot: (cell, phase, number). The slots are known when the study is defined, so the budget is exact
by construction. A worker owns a slot while it holds the slot's lock; a slot that Optuna calls running and whose lock
is free belonged to the dead, and is handed out again. A slot whose directory holds a `result.json` is done.
"""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from regimens import trial as room
from regimens.errors import UserError
from regimens.result import Result, read, write
from regimens.study import search
from regimens.study.compose import Composed, Composer
from regimens.study.definition import Cell, Study, derive
from regimens.study.finals import best_point
from regimens.study.locks import Lock, held, is_held
from regimens.study.pruners import make_pruner
from regimens.study.samplers import FIXED, make_sampler

FINISHED = ("completed", "diverged", "pruned", "failed", "timeout", "oom", "killed")
BROKEN = ("failed", "timeout", "oom", "killed")


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
    trial: optuna.Trial
    lock: Lock

    @property
    def label(self) -> str:
        """The trial's place in its study, for people."""
        return f"{self.cell.label} {self.phase} {self.number}"


@dataclass
class Ledger:
    """The state of one study, shared through its storage and its directory by all processes that work on it."""

    study: Study
    directory: Path
    storage: BaseStorage
    composer: Composer
    #: whose workers these are: the session's lock is held while its parent lives
    session: str = "alone"
    worker: str = "0"
    _handles: dict[str, optuna.Study] = field(default_factory=dict)
    _done: set[tuple[str, str]] = field(default_factory=set)

    def claim(self) -> Claim | None:
        """The next trial that nobody works on, or None; `finished` says whether to wait for another."""
        for cell in self.study.cells:
            for phase in self.study.phases(cell):
                if (cell.label, phase) not in self._done:
                    if claim := self._claim_in(cell, phase):
                        return claim
                    if (cell.label, phase) not in self._done:
                        break
        return None

    @property
    def finished(self) -> bool:
        """Whether every trial of the study has its result, as far as the last `claim` saw."""
        return all((cell.label, phase) in self._done for cell in self.study.cells for phase in self.study.phases(cell))

    def place(self, cell: Cell, phase: str, number: int) -> Path:
        """The directory of a trial; it follows from the trial's identity alone."""
        return place(self.directory, cell, phase, number)

    def compose(self, claim: Claim) -> Composed:
        """The configuration of a claimed trial."""
        cell = claim.cell
        values = {"seed": claim.seed, "test": claim.phase == "final", **search.params_of(cell, claim.values)}
        return self.composer.with_values(search.overrides_of(cell, claim.values), values)

    def base(self, claim: Claim) -> Composed:
        """The configuration of a claimed trial before its seed and values are set; read-only, and had for nothing."""
        return self.composer.compose(search.overrides_of(claim.cell, claim.values))

    def finish(self, claim: Claim, result: Result) -> None:
        """Tell Optuna how a trial ended, and let go of it."""
        try:
            self._tell(self._handle(claim.cell, claim.phase), claim.trial, result)
        finally:
            claim.lock.release()

    def about(self, claim: Claim) -> dict[str, Any]:
        """What a trial's result says about its study."""
        return {
            "name": self.study.name,
            "id": self.study.id,
            "cell": claim.cell.values,
            "phase": claim.phase,
            "number": claim.number,
            "params": claim.values,
        }

    def record_timeout(self, label: str, phase: str, number: int, limit: float) -> bool:
        """Write that a trial overran its time; False if it has a result after all."""
        cell = self.study.cell(label)
        directory = self.place(cell, phase, number)
        if read_finished(directory) is not None:
            return False
        values = self._attempts(self._handle(cell, phase))[number][-1].user_attrs.get("values") or {}
        claim = self._claim_of(cell, phase, number, values, trial=None, lock=self._slot_lock(cell, phase, number))
        error = {"type": "Timeout", "message": f"over {limit:g} s", "traceback": ""}
        self.write_end(claim, "timeout", error)
        return True

    def retry_broken(self) -> int:
        """Give every trial that failed, hung, ran out of memory or was killed one more attempt; returns how many."""
        count = 0
        for cell in self.study.cells:
            for phase in self.study.phases(cell):
                with held(self._phase_lock(cell, phase)):
                    handle = self._handle(cell, phase)
                    for number, attempts in self._attempts(handle).items():
                        status = attempts[-1].user_attrs.get("status")
                        if attempts[-1].state != TrialState.FAIL or status not in BROKEN:
                            continue
                        file = self.place(cell, phase, number) / "result.json"
                        if file.exists():
                            file.replace(file.with_name(f"result.{status}.json"))
                        self._enqueue(handle, cell, number, attempts[-1].user_attrs.get("values"))
                        count += 1
        return count

    def write_end(self, claim: Claim, status: str, error: dict[str, str] | None) -> Result:
        """Write the result of a trial that could not write its own."""
        composed = self.compose(claim)
        regimen = composed.regimen
        result = Result(
            status=status,
            name=str(composed.cfg.get("name") or claim.cell.label),
            seed=claim.seed,
            regimen=regimen,
            regimen_hash=room.digest(regimen),
            choices=dict(composed.choices),
            study=self.about(claim),
            provenance=origin(),
            error=error,
        )
        write(result, claim.directory)
        return result

    def _claim_in(self, cell: Cell, phase: str) -> Claim | None:
        with held(self._phase_lock(cell, phase)):
            handle = self._handle(cell, phase)
            attempts = self._attempts(handle)
            for number in range(self.study.count(cell, phase)):
                self._settle(cell, phase, number, attempts.get(number, []))
            attempts = self._attempts(handle)
            states = [attempts[number][-1].state for number in range(self.study.count(cell, phase))]
            if all(state.is_finished() for state in states):
                self._done.add((cell.label, phase))
                return None
            if TrialState.WAITING not in states:
                return None
            return self._ask(cell, phase, handle, attempts)

    def _attempts(self, handle: optuna.Study) -> dict[int, list[FrozenTrial]]:
        attempts: dict[int, list[FrozenTrial]] = {}
        for trial in handle.get_trials(deepcopy=False):
            if "slot" in trial.user_attrs:
                attempts.setdefault(trial.user_attrs["slot"], []).append(trial)
        return attempts

    def _settle(self, cell: Cell, phase: str, number: int, attempts: list[FrozenTrial]) -> None:
        """Bring one slot to waiting, running by somebody alive, or finished."""
        last = attempts[-1] if attempts else None
        if last is not None and (
            last.state in (TrialState.WAITING, TrialState.COMPLETE, TrialState.PRUNED)
            or (last.state == TrialState.FAIL and last.user_attrs.get("status") in FINISHED)
        ):
            return
        lock = self._slot_lock(cell, phase, number)
        if last is not None and last.state == TrialState.RUNNING:
            if not lock.acquire(wait=False):
                return
            last = self._handle(cell, phase).get_trials(deepcopy=False)[last.number]
            attempts = [*attempts[:-1], last]
            if last.state.is_finished():  # its owner finished it while we looked
                lock.release()
                return
        try:
            self._recover(cell, phase, number, attempts, lock)
        finally:
            lock.release()

    def _recover(self, cell: Cell, phase: str, number: int, attempts: list[FrozenTrial], lock: Lock) -> None:
        """Record what a dead worker had finished; enqueue what it had not, or what never was."""
        handle = self._handle(cell, phase)
        last = attempts[-1] if attempts else None
        values = last.user_attrs.get("values") if last else None
        result = read_finished(self.place(cell, phase, number))
        if last is not None and last.state == TrialState.RUNNING:
            if result is not None:
                self._tell(handle, last.number, result)
                return
            owner = last.user_attrs.get("owner") or {}
            if owner.get("session") and is_held(session_path(self.directory, owner["session"])):
                self._set(last, "charged", True)  # its command lives on, so the trial took its worker down
            handle.tell(last.number, state=TrialState.FAIL)
            last = handle.get_trials(deepcopy=False)[last.number]
            attempts = [*attempts[:-1], last]
        charged = sum(bool(one.user_attrs.get("charged")) for one in attempts)
        if result is None and charged > self.study.retries:
            claim = self._claim_of(cell, phase, number, values or {}, trial=None, lock=lock)
            error = {"type": "WorkerDied", "message": f"its worker died {charged} times", "traceback": ""}
            result = self.write_end(claim, "killed", error)
        if values is None and result is not None and result.study is not None:
            values = result.study.get("params")
        if values is None:
            values = self._point(cell, phase, number)
        self._enqueue(handle, cell, number, values)

    def _point(self, cell: Cell, phase: str, number: int) -> dict[str, Any] | None:
        if phase == "tuning":
            return cell.points[number]
        return best_point(self.study, cell, self.directory) if cell.tuned else {}

    def _enqueue(self, handle: optuna.Study, cell: Cell, number: int, values: dict[str, Any] | None) -> None:
        fixed = {}
        if values and search.expressible(cell, values, self.study.tuned, self.composer):
            fixed = {search.optuna_name(cell, values, path): value for path, value in values.items()}
        attributes: dict[str, Any] = {"slot": number}
        if values is not None:
            attributes["values"] = values
        handle.enqueue_trial(fixed, user_attrs=attributes)

    def _ask(
        self, cell: Cell, phase: str, handle: optuna.Study, attempts: dict[int, list[FrozenTrial]]
    ) -> Claim | None:
        waiting = [one[-1] for one in attempts.values() if one[-1].state == TrialState.WAITING]
        first = min(waiting, key=lambda trial: trial.number)
        number = first.user_attrs["slot"]
        if self.study.sampler not in FIXED:
            handle.sampler = make_sampler(self.study.sampler, derive(self.study.base_seed, cell.label, number))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = handle.ask()
            lock = self._slot_lock(cell, phase, trial.user_attrs["slot"])
            lock.acquire()
            try:
                values = trial.user_attrs.get("values")
                if values is None:
                    values = search.suggest(trial, cell, self.study.tuned, self.composer)
                    trial.set_user_attr("values", values)
                elif values and search.expressible(cell, values, self.study.tuned, self.composer):
                    search.suggest(trial, cell, self.study.tuned, self.composer)
                trial.set_user_attr("owner", {"session": self.session, "worker": self.worker})
                claim = self._claim_of(cell, phase, number, values, trial, lock)
                if result := read_finished(claim.directory):
                    self._tell(handle, trial, result)
                    lock.release()
                    return self._claim_again(cell, phase, handle)
                return claim
            except BaseException:
                lock.release()
                raise

    def _claim_again(self, cell: Cell, phase: str, handle: optuna.Study) -> Claim | None:
        attempts = self._attempts(handle)
        if any(one[-1].state == TrialState.WAITING for one in attempts.values()):
            return self._ask(cell, phase, handle, attempts)
        if all(one[-1].state.is_finished() for one in attempts.values()):
            self._done.add((cell.label, phase))
        return None

    def _claim_of(self, cell: Cell, phase: str, number: int, values: dict[str, Any], trial: Any, lock: Lock) -> Claim:
        seed = self.study.final_seeds[number] if phase == "final" else self.study.base_seed
        return Claim(cell, phase, number, seed, values, self.place(cell, phase, number), trial, lock)

    def _tell(self, handle: optuna.Study, trial: optuna.Trial | int, result: Result) -> None:
        number = trial if isinstance(trial, int) else trial.number
        frozen = handle.get_trials(deepcopy=False)[number]
        self._set(frozen, "status", result.status)
        values = [result.metrics.get(name) for name, _ in self.study.objectives]
        if result.status == "completed" and all(value is not None for value in values):
            handle.tell(number, values)
        elif result.status in ("diverged", "pruned", "completed"):
            handle.tell(number, state=TrialState.PRUNED if len(values) == 1 else TrialState.FAIL)
        else:
            handle.tell(number, state=TrialState.FAIL)

    def _set(self, trial: FrozenTrial, key: str, value: Any) -> None:
        self.storage.set_trial_user_attr(trial._trial_id, key, value)

    def _phase_lock(self, cell: Cell, phase: str) -> Path:
        return self.directory / "locks" / f"{cell.directory}-{phase}.lock"

    def _slot_lock(self, cell: Cell, phase: str, number: int) -> Lock:
        return Lock(self.directory / "locks" / cell.directory / f"{phase}-{number}.lock")

    def _handle(self, cell: Cell, phase: str) -> optuna.Study:
        """Optuna's study of one phase of one cell."""
        name = f"{self.study.key}/{cell.label}/{phase}"
        if name not in self._handles:
            pruner = self.study.pruner if phase == "tuning" else "none"
            self._handles[name] = optuna.create_study(
                study_name=name,
                storage=self.storage,
                directions=[direction for _, direction in self.study.objectives],
                sampler=make_sampler("random", derive(self.study.base_seed, cell.label, phase)),
                pruner=make_pruner(pruner, self.study.epochs),
                load_if_exists=True,
            )
        return self._handles[name]


def origin() -> dict[str, Any]:
    """Where a result comes from; what describes the hardware imports torch, which is not worth it for an obituary."""
    from regimens.provenance import provenance

    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {**(provenance() if "torch" in sys.modules else {}), "started": started}


def place(directory: Path, cell: Cell, phase: str, number: int) -> Path:
    """The directory of a trial inside its study's directory."""
    return directory / cell.directory / f"{phase}-{number}"


def session_path(directory: Path, session: str) -> Path:
    """The lock that a session's parent holds while it lives."""
    return directory / "locks" / f"session-{session}.lock"


def read_finished(directory: Path) -> Result | None:
    """The result in a trial's directory, or None if there is none that can be read."""
    if not (directory / "result.json").exists():
        return None
    try:
        return read(directory)
    except (UserError, json.JSONDecodeError, OSError):
        return None
