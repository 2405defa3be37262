"""What is to be trained (Task), checked before anything is loaded, and its state during training (Trial)."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import MisnamedError, UserError
from regimens.core.imports import import_packages
from regimens.core.plugins import permit
from regimens.core.provenance import training_code
from regimens.trial.advice import advise
from regimens.trial.identity import Identity, content_of
from regimens.trial.regimen import plain
from regimens.trial.settings import Settings, read_settings

if TYPE_CHECKING:
    from regimens.training.ddp import Spread

# Slow-to-import packages that every trial needs (see core/imports.py).
PACKAGES = ("torch", "pytorch_lightning")
# Those that compiled code takes.
COMPILER = ("torch._inductor.compile_fx", "regimens.training.engines.compiled")

OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass
class Clock:
    """Seconds spent in each stage of a trial."""

    durations: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time spent inside towards `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.durations[stage] = self.durations.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Task:
    """The arguments of `trial.run`. Without a directory it is trained for the sake of a fleet only, and writes nothing.

    On a GPU the last bits of a fleet's trials depend on which others are in it, so none is trained again without them;
    on a processor they do not, and a task without a directory is not trained.
    """

    config: Mapping[str, Any]
    directory: Path | None
    choices: Mapping[str, str]
    study: Mapping[str, Any] | None = None
    on_epoch: OnEpoch = lambda epoch, numbers: None
    #: the identity that it must have; None if any
    identity: Identity | None = None


@dataclass
class Trial:
    """One trial during training."""

    task: Task
    config: dict[str, Any]
    settings: Settings
    spread: "Spread"
    advice: list[str]
    started: str
    clock: Clock = field(default_factory=Clock)

    def identify(self, data: str, engine: str) -> Identity:
        """The trial's identity, computed once its data and engine are known.

        Raises MisnamedError where it is not the one that the task names.
        """
        identity = Identity(content_of(self.config, data, engine), training_code())
        named = self.task.identity
        if named is not None and named != identity:
            changed = "its code" if named.content == identity.content else "its configuration, data or starting weights"
            raise MisnamedError(f"{changed} changed after this trial was listed; run the same command again")
        return identity

    @property
    def directory(self) -> Path:
        """Where its files are written. A trial that is trained for the sake of a fleet only has none."""
        assert self.task.directory is not None
        return self.task.directory


def begin(task: Task) -> Trial:
    """Read and check a task's configuration, and make its directory. Raises UserError."""
    import_packages(*PACKAGES)
    from regimens.training.ddp import read_spread

    config = plain(task.config)
    permit(config.get("plugins"))
    settings = read_settings(config)
    spread = read_spread(config["trainer"], settings.batch_size)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    advice = given_advice(settings, task.choices, config)
    if task.directory is not None:
        task.directory.mkdir(parents=True, exist_ok=True)
    return Trial(task, config, settings, spread, advice, started)


def given_advice(settings: Settings, choices: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """The advice for this regimen, unless it is off; raises UserError where `advice=error` and there is any."""
    advice = [] if settings.advice == "off" else advise(choices, config)
    if advice and settings.advice == "error":
        raise UserError(f"advice=error: {'; '.join(advice)}")
    return advice
