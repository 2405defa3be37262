"""The door to a trial: train one regimen with one seed, or many of one shape together."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.imports import import_packages
from regimens.core.result import Result
from regimens.trial.composition import look_at_data as look_at_data
from regimens.trial.evaluation import metric_names
from regimens.trial.identity import Identity
from regimens.trial.regimen import plain
from regimens.trial.settings import check_groups, read_settings
from regimens.trial.task import COMPILER, PACKAGES, OnEpoch, Task, begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def warm_up(engines: Collection[str] = ()) -> None:
    """Import what a trial takes, and what these engines take beside it."""
    import_packages(*PACKAGES)
    from regimens.trial import single  # noqa: F401 - and what it imports

    if "compiled" in engines:
        import_packages(*COMPILER)


def run(
    config: "Mapping[str, Any] | DictConfig",
    directory: Path,
    *,
    choices: Mapping[str, str],
    study: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch = lambda epoch, numbers: None,
    note: str = "",
    identity: Identity | None = None,
) -> Result:
    """Train one regimen with one seed and write `config.yaml`, weights and `result.json` into `directory`.

    `choices` maps each config group to its option. `on_epoch(epoch, numbers)` is called after each epoch and may raise
    Pruned. `note` says why not even a fleet of one trains it, where `engine=fleet` asks for one. `identity` is the name
    that the trial must have (MisnamedError otherwise). A loss that is not finite gives the status "diverged", not an
    exception. Raises UserError for invalid values; other exceptions pass through.
    """
    task = Task(plain(config), Path(directory), choices, study, on_epoch, identity)
    if task.config["engine"] == "fleet" and not note:
        return the_one(run_fleet([task]))
    trial = begin(task)
    if trial.spread.devices > 1:
        if trial.settings.probe == "lr_range":
            raise UserError("probe=lr_range: the range test runs on one device; leave trainer=ddp out")
        from regimens.trial import ranks

        return ranks.run(trial.config, trial.task)
    from regimens.trial.single import train

    return train(trial, note)


def the_one(outcomes: Sequence[Result | Exception | None]) -> Result:
    """The result of a fleet of one. Raises what the trial raised."""
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None
    return outcome


def metrics(config: Mapping[str, Any]) -> dict[str, str]:
    """What a trial of this plain configuration will measure: name -> "maximize", "minimize" or "none".

    Raises UserError where the configuration makes no sense.
    """
    check_groups(config)
    return metric_names(config, read_settings(config))


def run_fleet(tasks: Sequence[Task], journal: Path | None = None) -> list[Result | Exception | None]:
    """Train regimens together where they are of one shape; each one's result, or what went wrong with it.

    What fits no fleet is trained on its own, and its result says why (`engine_note`). With `journal`, a path, the
    results of trials trained together are written as one transaction: a process that dies leaves all or none of them,
    or the journal from which `result.finish_together` writes the rest.
    """
    import_packages(*PACKAGES)
    from regimens.trial.fleet import run_together

    return [
        alone(task, outcome) if isinstance(outcome, str) else outcome
        for task, outcome in zip(tasks, run_together(tasks, journal), strict=True)
    ]


def alone(task: Task, note: str) -> Result | Exception | None:
    """The result of a task trained on its own, or what it raised; None for a task without a directory."""
    if task.directory is None:
        return None
    try:
        return run(
            task.config,
            task.directory,
            choices=task.choices,
            study=task.study,
            on_epoch=task.on_epoch,
            note=note,
            identity=task.identity,
        )
    except Exception as error:
        return error
