"""The slots of one phase as trials of an Optuna study: what Optuna knows of them, and what it is told.

Optuna's ask/tell interface cannot start, requeue or mark a given trial, so these go through its public `BaseStorage`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from regimens.core.result import Result
from regimens.study.definition.search_space import Range
from regimens.study.definition.study import Study

#: a value's name in Optuna -> (value, the range that it is from)
Space = Mapping[str, tuple[Any, Range]]


@dataclass
class Slots:
    """The newest trial of each slot of a phase, as far as read; read again only where it may have changed."""

    study: optuna.Study
    storage: BaseStorage
    trials: dict[int, FrozenTrial] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    #: how many of Optuna's trials have been read, and the numbers of those that may still change
    _seen: int = 0
    _open: set[int] = field(default_factory=set)
    #: all slots below this one are known to Optuna
    _begun: int = 0

    def read(self) -> None:
        """Take note of what has changed in Optuna: of new trials, and of those that were not finished."""
        found = self.study.get_trials(deepcopy=False)
        changed = [found[number] for number in sorted(self._open)] + found[self._seen :]
        self._seen = len(found)
        for trial in changed:
            (self._open.discard if trial.state.is_finished() else self._open.add)(trial.number)
            slot = trial.user_attrs.get("slot")
            if slot is not None and (slot not in self.trials or trial.number >= self.trials[slot].number):
                self.trials[slot] = trial
                (self.finished.add if trial.state.is_finished() else self.finished.discard)(slot)
                (self.waiting.add if trial.state == TrialState.WAITING else self.waiting.discard)(slot)

    @property
    def unbegun(self) -> int:
        """The first number of which Optuna knows nothing."""
        while self._begun in self.trials:
            self._begun += 1
        return self._begun

    @property
    def running(self) -> list[int]:
        """Those that Optuna calls running, in order."""
        return sorted(number for number, trial in self.trials.items() if trial.state == TrialState.RUNNING)

    def enqueue(self, slot: int, values: dict[str, Any] | None, space: Space) -> None:
        """A new trial for a slot, which waits; `values` are None where a sampler chooses them later."""
        attributes: dict[str, Any] = {"slot": slot} if values is None else {"slot": slot, "values": values}
        self.study.enqueue_trial({name: value for name, (value, _) in space.items()}, user_attrs=attributes)

    def add_finished(self, slot: int, values: dict[str, Any], space: Space, about: Study, result: Result) -> None:
        """A trial for a slot that has its result already."""
        state, objectives = outcome(about, result)
        self.study.add_trial(
            optuna.trial.create_trial(
                state=state,
                values=objectives,
                params={name: value for name, (value, _) in space.items()},
                distributions={name: one.distribution() for name, (_, one) in space.items()},
                user_attrs={"slot": slot, "values": values, "status": result.status},
            )
        )

    def start(self, trial: FrozenTrial) -> optuna.Trial:
        """Take a waiting trial, as Optuna's `ask` takes the next one."""
        self._move(trial, TrialState.RUNNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return optuna.Trial(self.study, self._id(trial.number))

    def requeue(self, trial: FrozenTrial) -> None:
        """Let a running trial wait again: its number and its suggested values stay."""
        self._move(trial, TrialState.WAITING)

    def drop(self, trial: FrozenTrial) -> None:
        """End a trial that is not finished as failed, so that another one can take its slot."""
        if not trial.state.is_finished():
            self._move(trial, TrialState.FAIL)

    def note(self, trial: FrozenTrial, key: str, value: Any) -> None:
        """Set a user attribute of a trial."""
        self.storage.set_trial_user_attr(self._id(trial.number), key, value)

    def tell(self, number: int, about: Study, result: Result) -> None:
        """Record how the trial of this Optuna number ended, unless it has been."""
        trial = self.storage.get_trial(self._id(number))
        if trial.state.is_finished():
            return
        self.note(trial, "status", result.status)
        state, values = outcome(about, result)
        self.study.tell(number, values, state=state)

    def _move(self, trial: FrozenTrial, state: TrialState) -> None:
        self.storage.set_trial_state_values(self._id(trial.number), state)

    def _id(self, number: int) -> int:
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)


def outcome(study: Study, result: Result) -> tuple[TrialState, list[float] | None]:
    """Optuna's state and values for a result: what diverged or was pruned counts as pruned, what broke as failed."""
    values = [result.metrics.get(name) for name, _ in study.objectives]
    if result.status == "completed" and all(value is not None for value in values):
        return TrialState.COMPLETE, [float(value) for value in values if value is not None]
    if result.status in ("diverged", "pruned", "completed") and len(values) == 1:
        return TrialState.PRUNED, None
    return TrialState.FAIL, None
