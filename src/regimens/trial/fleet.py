"""The composition root of the fleet engine: tasks in; those of one shape are trained together, results out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from regimens.core.hashing import digest, stream_seed
from regimens.core.process import keep_freed_memory
from regimens.core.result import Result, write, write_together
from regimens.core.secrets import brief
from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.training.engine import Job, not_functional, shape
from regimens.training.engines.apart import Apart
from regimens.training.engines.fleet import Fleet, Member, Stepping
from regimens.training.engines.inductor import Inductor
from regimens.training.engines.stacked import Stacked
from regimens.training.engines.trace_cache import Lower, as_traced
from regimens.training.module import Data, RegimenModule
from regimens.trial import composition, record
from regimens.trial.engine_choice import fleet_obstacle, kind_of_device, repays_compiling
from regimens.trial.fitting import settle
from regimens.trial.identity import Identity
from regimens.trial.single import sandbox
from regimens.trial.task import Clock, Task, Trial, begin

Outcome = Result | Exception | str | None
Loaded = tuple[Split, dict[str, Data]]


@dataclass
class Candidate:
    """A trial that can be part of a fleet."""

    index: int
    trial: Trial
    split: Split
    module: RegimenModule
    kind: tuple[object, ...]
    identity: Identity
    note: str = ""


def run_together(tasks: Sequence[Task], journal: Path | None = None, note: str = "") -> list[Outcome]:
    """Each task's result, or what it raised; None for a task without a directory. `journal`: see `trial.run_fleet`.

    Tasks of one shape are trained together: side by side on a processor, where one's bits are the same in any company
    and in none; as one batched network on a GPU. What fits no fleet is trained on its own, and its result says why
    (`engine_note`), which is `note` for the others.
    """
    keep_freed_memory()
    outcomes: list[Outcome] = [None] * len(tasks)
    loaded: dict[str, Loaded] = {}
    fleets: dict[tuple[object, ...], list[Candidate]] = {}
    for index, task in enumerate(tasks):
        if task.directory is None and kind_of_device(task.config) == "cpu":
            continue  # only a GPU's fleet needs its company
        try:
            candidate = prepare(index, task, loaded)
        except Exception as err:
            outcomes[index] = err
            continue
        if isinstance(candidate, str):
            outcomes[index] = candidate
        else:
            fleets.setdefault(candidate.kind, []).append(replace(candidate, note=note))
    for fleet in fleets.values():
        for one, outcome in zip(fleet, finish(fleet, journal), strict=True):
            outcomes[one.index] = outcome
    return outcomes


def finish(fleet: Sequence[Candidate], journal: Path | None) -> list[Outcome]:
    """Train trials of one shape together; where they fail, each as a fleet of one; why not, where that fails too."""
    try:
        outcomes = train(fleet)
        leave(fleet, outcomes, journal)
        return outcomes
    except Exception as err:
        why = f"failed as a fleet: {brief(err)}"
    # Only after the except block: the traceback keeps the fleet's memory alive, which may be what ran out.
    tasks = [one.trial.task for one in fleet]
    for one in fleet:
        one.module.release()
    return [why] if len(fleet) == 1 else [run_together([task], note=why)[0] for task in tasks]


def leave(fleet: Sequence[Candidate], outcomes: Sequence[Outcome], journal: Path | None) -> None:
    """Write the results of trials that were trained together."""
    pairs = zip(fleet, outcomes, strict=True)
    results = {one.trial.directory: result for one, result in pairs if isinstance(result, Result)}
    if journal is not None:
        write_together(results, journal)
    else:
        for directory, result in results.items():
            write(result, directory)


def prepare(index: int, task: Task, loaded: dict[str, Loaded]) -> Candidate | str:
    """Build a task's trial; a sentence where it cannot be part of a fleet. `loaded` keeps the data for the next."""
    trial = begin(task)
    config, settings = trial.config, trial.settings
    if obstacle := fleet_obstacle(config):
        return obstacle
    with sandbox(settings), trial.clock("setup"):
        device = torch.device("cpu" if kind_of_device(config) == "cpu" else "cuda")
        key = digest([config["data"], config["task"], config.get("test"), config["paths"]["data"], device.type])
        if key not in loaded:
            loaded[key] = load(config, device)
        split, data = loaded[key]
        identity = trial.identify(split.manifest["hash"], str(config["engine"]))
        module = composition.build_module({**config, "engine": "eager"}, settings, trial.spread, split)
        module.to(device).train()
        module.data = data
        module.configure_optimizers()
        job = module.job()
        if obstacle := not_functional(job):
            return obstacle
        phases = tuple((phase.epochs, phase.frozen) for phase in module.phases)
        average = digest(config["average"])
        kind = (*shape(job), key, phases, average, settings.epochs, settings.batch_size, settings.threads)
    return Candidate(index, trial, split, module, kind, identity)


def train(fleet: Sequence[Candidate]) -> list[Outcome]:
    """Train trials of one shape together and conclude each."""
    settings = fleet[0].trial.settings
    members = []
    for one in fleet:
        order = Blocks(len(one.split.y_train), settings.batch_size, stream_seed(one.trial.settings.seed, "order"))
        members.append(Member(one.module, order, one.trial.task.on_epoch))
    together = Fleet(members, settings.epochs, stepping(fleet[0]))
    clock = Clock()
    with sandbox(settings), clock("train"):
        together.train()
    outcomes: list[Outcome] = []
    for one, member in zip(fleet, members, strict=True):
        one.module.release()
        one.trial.clock.durations["train"] = clock.durations["train"] / len(fleet)
        how = {"engine": "fleet", "fleet": len(fleet), "fleet_steps": together.how}
        outcomes.append(conclude(one, member, how | ({"engine_note": one.note} if one.note else {})))
    return outcomes


def stepping(one: Candidate) -> Callable[[Sequence[Job]], Stepping]:
    """What steps the trials of a fleet of such a trial's shape."""
    config, settings, examples = one.trial.config, one.trial.settings, len(one.split.y_train)
    if kind_of_device(config) != "cpu":
        return Stacked
    inductor = Inductor(composition.compiled_code(config))

    def lower(size: int) -> Lower:
        return inductor if repays_compiling(settings.epochs, examples, settings.batch_size, size) else as_traced

    return partial(Apart, lower=lower)


def conclude(one: Candidate, member: Member, engine: Mapping[str, Any]) -> Outcome:
    """The result of a trained member, or what its evaluation raised."""
    if one.trial.task.directory is None:
        return None
    settle(one.module, member.best, member.status, one.trial.settings.restore)
    try:
        with sandbox(one.trial.settings):
            return record.conclude(one.trial, one.module, one.split, member.status, member.best, engine, one.identity)
    except Exception as err:
        return err


def load(config: Mapping[str, Any], device: torch.device) -> Loaded:
    """A configuration's split, on the device what training and evaluation read of it."""
    split = composition.load_data(config)
    names = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
    split = replace(split, **{name: getattr(split, name).to(device) for name in names})
    return split, {"train": (split.x_train, split.y_train), "val": (split.x_valid, split.y_valid)}
