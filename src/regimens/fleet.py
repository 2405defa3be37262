"""The composition root of the fleet engine: tasks in; those of one shape are trained together, results out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from regimens import trial as single
from regimens.composition import compiled_code
from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.engines import fleet_obstacle, kind_of_device, repays_compiling
from regimens.fitting import restore_best
from regimens.result import Result, write, write_together
from regimens.secrets import brief
from regimens.training import memory
from regimens.training.apart import Apart
from regimens.training.compiled import Job, not_functional, shape
from regimens.training.fleet import Fleet, Member, Stepping
from regimens.training.inductor import Inductor, Lower
from regimens.training.inplace import InPlace
from regimens.training.module import Data, Regimen
from regimens.training.seeds import derive
from regimens.training.stacked import Stacked
from regimens.training.traces import as_traced
from regimens.trial import Task, Trial

Outcome = Result | Exception | None
Loaded = tuple[Split, dict[str, Data]]


@dataclass
class Composed:
    """A trial that can be part of a fleet."""

    index: int
    trial: Trial
    split: Split
    module: Regimen
    kind: tuple[object, ...]


def run_together(tasks: Sequence[Task], journal: Path | None = None) -> list[Outcome]:
    """Each task's result, or what it raised; None for a task without a directory. `journal`: see `trial.run_fleet`.

    Tasks of one shape are trained together: side by side on a processor, where one's bits are the same in any company
    and in none; as one batched network on a GPU. What fits no fleet is trained on its own, and its result says why
    (`engine_note`).
    """
    memory.keep()
    outcomes: list[Outcome] = [None] * len(tasks)
    loaded: dict[str, Loaded] = {}
    fleets: dict[tuple[object, ...], list[Composed]] = {}
    for index, task in enumerate(tasks):
        try:
            composed = compose(index, task, loaded)
        except Exception as err:
            outcomes[index] = err
            continue
        if isinstance(composed, str):
            outcomes[index] = alone(task, composed)
        else:
            fleets.setdefault(composed.kind, []).append(composed)
    for fleet in fleets.values():
        for one, outcome in zip(fleet, finish(fleet, journal), strict=True):
            outcomes[one.index] = outcome
    return outcomes


def finish(fleet: Sequence[Composed], journal: Path | None) -> list[Outcome]:
    """Train trials of one shape together; where they fail, each as a fleet of one, and else on its own."""
    try:
        outcomes = train(fleet)
        leave(fleet, outcomes, journal)
        return outcomes
    except Exception as err:
        why = f"failed as a fleet: {brief(err)}"
    # Not while the error is at hand: its traceback holds the fleet's memory, which may be what there was too little of.
    tasks = [one.trial.task for one in fleet]
    for one in fleet:
        one.module.release()
    return [alone(task, why) for task in tasks] if len(fleet) == 1 else [run_together([task])[0] for task in tasks]


def leave(fleet: Sequence[Composed], outcomes: Sequence[Outcome], journal: Path | None) -> None:
    """Write the results of trials that were trained together."""
    pairs = zip(fleet, outcomes, strict=True)
    results = {one.trial.directory: result for one, result in pairs if isinstance(result, Result)}
    if journal is not None:
        write_together(results, journal)
    else:
        for directory, result in results.items():
            write(result, directory)


def alone(task: Task, note: str) -> Outcome:
    """The result of a task trained on its own, or what it raised."""
    if task.directory is None:
        return None
    try:
        return single.run(
            task.cfg, task.directory, choices=task.choices, study=task.study, on_epoch=task.on_epoch, note=note
        )
    except Exception as err:
        return err


def compose(index: int, task: Task, loaded: dict[str, Loaded]) -> Composed | str:
    """Build a task's trial; a sentence where it cannot be part of a fleet. `loaded` keeps the data for the next."""
    trial = single.begin(task)
    config, settings = trial.config, trial.settings
    if obstacle := fleet_obstacle(config):
        return obstacle
    with single.sandbox(settings), trial.clock("setup"):
        device = torch.device("cpu" if kind_of_device(config) == "cpu" else "cuda")
        key = single.digest([config["data"], config["task"], config["paths"]["data"], device.type])
        if key not in loaded:
            loaded[key] = load(config, device)
        split, data = loaded[key]
        module = single.compose({**config, "engine": "eager"}, settings, trial.spread, split)
        module.to(device).train()
        module.data = data
        module.configure_optimizers()
        job = module.job()
        if obstacle := not_functional(job):
            return obstacle
        phases = tuple((phase.epochs, phase.frozen) for phase in module.phases)
        kind = (*shape(job), key, phases, settings.epochs, settings.batch_size, settings.threads)
    return Composed(index, trial, split, module, kind)


def train(fleet: Sequence[Composed]) -> list[Outcome]:
    """Train trials of one shape together and conclude each."""
    settings = fleet[0].trial.settings
    members = []
    for one in fleet:
        order = Blocks(len(one.split.y_train), settings.batch_size, derive(one.trial.settings.seed, "order"))
        members.append(Member(one.module, order, one.trial.task.on_epoch))
    together = Fleet(members, settings.epochs, stepping(fleet[0]))
    clock = single.Clock()
    with single.sandbox(settings), clock("train"):
        together.train()
    outcomes: list[Outcome] = []
    for one, member in zip(fleet, members, strict=True):
        one.module.release()
        one.trial.clock.durations["train"] = clock.durations["train"] / len(fleet)
        outcomes.append(conclude(one, member, {"engine": "fleet", "fleet": len(fleet), "fleet_steps": together.how}))
    return outcomes


def stepping(one: Composed) -> Callable[[Sequence[Job]], Stepping]:
    """What steps the trials of a fleet of such a trial's shape."""
    config, settings, examples = one.trial.config, one.trial.settings, len(one.split.y_train)
    if kind_of_device(config) != "cpu":
        return Stacked
    inductor = InPlace(Inductor(compiled_code(config)))

    def lower(size: int) -> Lower:
        return inductor if repays_compiling(settings.epochs, examples, settings.batch_size, size) else as_traced

    return partial(Apart, lower=lower)


def conclude(one: Composed, member: Member, engine: Mapping[str, Any]) -> Outcome:
    """The result of a trained member, or what its evaluation raised."""
    if one.trial.task.directory is None:
        return None
    restore_best(one.module, member.best, member.status)
    try:
        with single.sandbox(one.trial.settings):
            return single.conclude(one.trial, one.module, one.split, member.status, member.best, engine)
    except Exception as err:
        return err


def load(config: Mapping[str, Any], device: torch.device) -> Loaded:
    """A configuration's split, and what of it the training reads, on the device as a whole."""
    split = single.load_data(config)
    parts = {"train": (split.x_train, split.y_train), "val": (split.x_valid, split.y_valid)}
    return split, {name: (x.to(device), y.to(device)) for name, (x, y) in parts.items()}
