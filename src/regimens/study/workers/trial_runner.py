"""The contract of whoever runs a study's trials: run one, run many together, look at the data.

`hydra.sweeper.run_trial` names a module (or any object) that fulfils it; `regimens.trial` does.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from regimens.core.errors import UserError
from regimens.core.hashing import digest

if TYPE_CHECKING:
    from regimens.core.result import Result
    from regimens.trial.engine_choice import Size
    from regimens.trial.identity import Identity
    from regimens.trial.task import Task


class TrialRunner(Protocol):
    """See `regimens.trial.api` for what each does in full."""

    def warm_up(self, engines: Collection[str] = ()) -> None:
        """Import what a trial takes, and what these engines take, ahead of time."""

    def run(
        self,
        config: Mapping[str, Any],
        directory: Path,
        *,
        choices: Mapping[str, str],
        study: Mapping[str, Any] | None = None,
        on_epoch: Callable[[int, dict[str, float]], None] = ...,
        note: str = "",
        identity: Identity | None = None,
    ) -> Result:
        """Train one regimen and write its result into `directory`; raises MisnamedError where it is not `identity`."""

    def run_fleet(self, tasks: Sequence[Task], journal: Path | None = None) -> list[Result | Exception | None]:
        """Train many regimens together; each one's result, or what went wrong with it."""

    def look_at_data(self, config: Mapping[str, Any]) -> tuple[str | None, Size | None]:
        """The hash of a configuration's data, and what they make of a network; (None, None) where there are none."""

    def metrics(self, config: Mapping[str, Any]) -> Mapping[str, str] | None:
        """What a trial of this configuration will measure: name -> "maximize", "minimize", or "none" where neither is
        better; None where that is not known. Raises UserError where the configuration makes no sense.
        """


def locate(path: str) -> TrialRunner:
    """The runner that a dotted path names; raises UserError where there is none."""
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"hydra.sweeper.run_trial={path}: {error}") from error


def look_once(runner: TrialRunner) -> Callable[[Mapping[str, Any]], tuple[str | None, Size | None]]:
    """`runner.look_at_data` for resolved configurations, with each data set and task looked at once.

    To look at data also prepares them before any worker starts.
    """
    seen: dict[str, tuple[str | None, Size | None]] = {}

    def look(config: Mapping[str, Any]) -> tuple[str | None, Size | None]:
        key = digest([config.get("data"), config.get("task")])
        if key not in seen:
            seen[key] = runner.look_at_data(config)
        return seen[key]

    return look


def data_hash_of(runner: TrialRunner) -> Callable[[Mapping[str, Any]], str | None]:
    """The hash of the data that a resolved configuration names."""
    look = look_once(runner)
    return lambda config: look(config)[0]
