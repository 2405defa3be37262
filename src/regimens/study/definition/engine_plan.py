"""Which engine each cell of a study uses, and which of its trials form a fleet: decided once, when it is defined.

A trial's last bits depend on the batch that it is computed in. So a fleet's trials follow from the definition alone,
and a fleet that was cut off is trained again as a whole: the table does not depend on workers, kills or load.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from omegaconf import DictConfig

from regimens.core.hashing import digest
from regimens.study.definition import joint_search
from regimens.study.definition.composer import Composer
from regimens.study.definition.samplers import FIXED
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import Cell, Slot, Study
from regimens.trial import engine_choice
from regimens.trial.regimen import plain, regimen_of

SizeOf = Callable[[DictConfig], engine_choice.Size | None]


def plan_engines(study: Study, settings: Settings, composer: Composer, size_of: SizeOf) -> None:
    """Set each cell's engine, the study's fleets, and why there are none; and make them part of its identity.

    A study whose trials have no engine (`size_of` gives None) is left alone.
    """
    found = {cell.label: size_of(composer.compose(cell.overrides).cfg) for cell in study.cells}
    sizes = {label: size for label, size in found.items() if size is not None}
    if len(sizes) < len(found):
        return
    configs = {cell.label: plain(composer.compose(cell.overrides).cfg) for cell in study.cells}
    if any(config["engine"] in ("auto", "fleet") for config in configs.values()):
        plan_fleets(study, settings, composer, configs, sizes)
    for cell in study.cells:
        cell.engine = cell.engine or configs[cell.label]["engine"]
    study.identity["engines"] = {cell.label: cell.engine for cell in study.cells}
    study.identity["fleets"] = max((len(slots) for slots in study.fleets), default=0)
    study.id = digest(study.identity)[:8]


def plan_fleets(
    study: Study,
    settings: Settings,
    composer: Composer,
    configs: dict[str, dict[str, Any]],
    sizes: dict[str, engine_choice.Size],
) -> None:
    """Choose the engines of a study that leaves it to us, and put the trials of a shape into fleets."""
    study.alone = why_alone(settings)
    if all(
        engine_choice.choose(configs[label], size, study.total, study.total) == "eager" for label, size in sizes.items()
    ):
        for cell in study.cells:  # not even if all were of one shape: which are need not be looked at
            cell.engine = "eager"
        return
    alike = group(study, composer, configs)
    for cell in study.cells:
        own = [(key, slots) for key, slots in alike.items() if any(slot[0] == cell.label for slot in slots)]
        shapes = {key[1] for key, _ in own}
        trials = max(sum(len(slots) for key, slots in alike.items() if key[1] == shape) for shape in shapes)
        company = 1 if study.alone else max(len(slots) for _, slots in own)
        cell.engine = engine_choice.choose(configs[cell.label], sizes[cell.label], trials, company)
    fleet = {cell.label for cell in study.cells if cell.engine == "fleet"} if not study.alone else set()
    order = {cell.label: i for i, cell in enumerate(study.cells)}
    for slots in alike.values():
        members = [slot for slot in slots if slot[0] in fleet]
        if members:
            first = members[0][0]
            study.fleets += split_evenly(members, engine_choice.capacity(configs[first], sizes[first], len(members)))
    study.fleets.sort(key=lambda slots: (order[slots[0][0]], slots[0][1] == "final", slots[0][2]))


def why_alone(settings: Settings) -> str:
    """Why a study's trials are trained one by one; empty where they need not be."""
    if settings.pruner != "none":
        return f"study.pruner={settings.pruner} judges trials one by one"
    if settings.timeout is not None:
        return "study.timeout ends trials one by one"
    if settings.sampler not in FIXED:
        return f"study.sampler={settings.sampler} learns from one trial for the next"
    return ""


def group(study: Study, composer: Composer, configs: dict[str, Any]) -> dict[tuple[str, str], list[Slot]]:
    """The study's slots by phase and by what the trials of a fleet have in common, in order.

    Finals are grouped as their cell's default regimen: what tuning changes of a shape is seen when they are trained.
    """
    alike: dict[tuple[str, str], list[Slot]] = {}
    for cell, phase, number in study.slots:
        values = cell.points[number] if phase == "tuning" else cell.default
        regimen = regimen_at(composer, configs, cell, values or {})
        shape = {**engine_choice.shape_of(regimen), "engine": configs[cell.label].get("engine")}
        alike.setdefault((phase, digest(shape)), []).append([cell.label, phase, number])
    return alike


def regimen_at(composer: Composer, configs: dict[str, Any], cell: Cell, values: dict[str, Any]) -> dict[str, Any]:
    """The plain regimen of a cell at a point; interpolations that hang on a tuned value keep the cell's own."""
    if cell.axes:
        config = plain(composer.compose(joint_search.overrides_of(cell, values)).cfg)
    else:
        config = copy.deepcopy(configs[cell.label])
    for path, value in joint_search.params_of(cell, values).items():
        *parents, last = path.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[last] = value
    return regimen_of(config)


def split_evenly(slots: list[Slot], most: int) -> list[list[Slot]]:
    """`slots` in order, in as few portions of at most `most` as there can be, as equal as can be."""
    count = math.ceil(len(slots) / most)
    edges = [len(slots) * i // count for i in range(count + 1)]
    return [slots[start:end] for start, end in pairwise(edges)]
