"""What Optuna knows of the slots of one phase, read again only where it may have changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    import optuna


@dataclass
class Slots:
    """The newest trial of each slot of a phase, as far as read."""

    optuna: optuna.Study
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
        found = self.optuna.get_trials(deepcopy=False)
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
