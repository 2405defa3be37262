"""The Result of a trial: of one that was trained, and of one that ended early by an error or a kill."""

import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from regimens.core.hashing import digest
from regimens.core.provenance import provenance
from regimens.core.result import Result
from regimens.core.secrets import brief
from regimens.trial.artifacts import save, save_inputs
from regimens.trial.evaluation import acted, evaluate, probed
from regimens.trial.identity import Identity
from regimens.trial.regimen import plain, regimen_of, told

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from regimens.data.split import Split
    from regimens.training.callbacks import BestWeights
    from regimens.training.module import RegimenModule
    from regimens.trial.task import Trial


def conclude(
    trial: "Trial",
    module: "RegimenModule",
    split: "Split",
    status: str,
    best: "BestWeights",
    engine: Mapping[str, Any],
    identity: Identity,
) -> Result:
    """The result of a trained module, not yet written. The trial's other files are written here."""
    config, settings, choices, directory = trial.config, trial.settings, trial.task.choices, trial.directory
    with trial.clock("evaluate"):
        metrics, correct, dead = evaluate(module, split, settings, status)
        save(module, best, config, directory)
        save_inputs(split, directory)
    regimen = regimen_of(config)
    durations = trial.clock.durations
    return Result(
        status=status,
        name=settings.name,
        seed=settings.seed,
        regimen=regimen,
        regimen_hash=digest(regimen),
        choices=told(choices, config),
        trial=identity.to_json(),
        study=dict(trial.task.study) if trial.task.study else None,
        metrics={**metrics, "time/train": durations["train"]},
        correct=correct,
        history={name: list(values) for name, values in module.history.items()},
        acted={**acted(module, choices, settings, status), **dead},
        advice=trial.advice,
        **probed(module),
        durations=durations,
        provenance={
            **provenance(),
            "data": split.manifest,
            "threads": settings.threads,
            **engine,
            **trial.spread.describe(),
            "started": trial.started,
        },
    )


def unfinished(
    config: "Mapping[str, Any] | DictConfig",
    *,
    choices: Mapping[str, str],
    status: str,
    study: Mapping[str, Any] | None = None,
    error: Mapping[str, str] | None = None,
    identity: Identity | None = None,
) -> Result:
    """The result of a trial that did not finish: its regimen, its status and error, and no metrics."""
    config = plain(config)
    regimen = regimen_of(config)
    # Describing the hardware imports torch; a process that only reports a death skips that.
    origin = provenance() if "torch" in sys.modules else {}
    return Result(
        status=status,
        name=str(config["name"]),
        seed=int(config["seed"]),
        regimen=regimen,
        regimen_hash=digest(regimen),
        choices=told(choices, config),
        trial=identity.to_json() if identity else None,
        study=dict(study) if study else None,
        provenance={**origin, "started": datetime.now(UTC).isoformat(timespec="seconds")},
        error=dict(error) if error else None,
    )


def described(error: BaseException) -> dict[str, str]:
    """An exception as a result's `error`: its type, the first line of its message, and its traceback."""
    lines = "".join(traceback.format_exception(error))
    return {"type": type(error).__name__, "message": brief(error), "traceback": lines}
