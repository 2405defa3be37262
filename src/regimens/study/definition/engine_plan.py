"""Which engine each cell of a study uses, decided once when it is defined; and which trials of a round form a fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from omegaconf import DictConfig

from regimens.core.hashing import digest
from regimens.study.definition.composer import Composer
from regimens.study.definition.samplers import FIXED
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import Cell, Slot, Study
from regimens.trial import engine_choice
from regimens.trial.engine_choice import Size
from regimens.trial.regimen import plain, regimen_of

SizeOf = Callable[[DictConfig], Size | None]
#: the resolved configuration of a cell's trial with these values
ConfigOf = Callable[[Cell, Mapping[str, Any]], Mapping[str, Any]]


def plan_engines(study: Study, settings: Settings, composer: Composer, size_of: SizeOf) -> None:
    """Set each cell's engine and size, and why no trials are trained together.

    A study whose trials have no engine (`size_of` gives None) is left alone.
    """
    configs = {cell.label: composer.compose(cell.overrides).cfg for cell in study.cells}
    sizes = {label: size for label, cfg in configs.items() if (size := size_of(cfg)) is not None}
    if len(sizes) < len(configs):
        return
    study.alone = why_alone(settings)
    plain_configs = {label: plain(cfg) for label, cfg in configs.items()}
    shapes = {label: shape_of(config) for label, config in plain_configs.items()}
    counts = {cell.label: planned(study, cell) for cell in study.cells}
    for cell in study.cells:
        alike = [other for other in study.cells if shapes[other.label] == shapes[cell.label]]
        trials = sum(counts[other.label] for other in alike)
        in_a_round = sum(max(study.trials if other.tuned else 0, study.seeds) for other in alike)
        size = sizes[cell.label]
        cell.size = [size.examples, size.inputs, size.outputs]
        together = 1 if study.alone else in_a_round
        cell.engine = engine_choice.choose(plain_configs[cell.label], size, trials, together)


def planned(study: Study, cell: Cell) -> int:
    """How many trials a cell has at least."""
    return study.seeds + (study.trials * max(1, len(cell.ranges)) if cell.tuned else 0)


def why_alone(settings: Settings) -> str:
    """Why a study's trials are trained one by one; empty where they need not be."""
    if settings.pruner != "none":
        return f"study.pruner={settings.pruner} judges trials one by one"
    if settings.timeout is not None:
        return "study.timeout ends trials one by one"
    if settings.sampler not in FIXED:
        return f"study.sampler={settings.sampler} learns from one trial for the next"
    return ""


def shape_of(config: Mapping[str, Any]) -> str:
    """What the trials of a fleet have in common."""
    return digest(engine_choice.shape_of(regimen_of(config)))


def plan_fleets(study: Study, config_of: ConfigOf) -> None:
    """Put the trials of the newest round that are of one shape into fleets, where their engine is one."""
    known = {tuple(slot) for slots in study.fleets for slot in slots}
    alike: dict[tuple[str, str], list[Slot]] = {}
    for cell, phase, number in study.slots:
        if cell.engine == "fleet" and not study.alone and (cell.label, phase, number) not in known:
            values = (cell.points[number] if phase == "tuning" else cell.best) or {}
            alike.setdefault((phase, shape_of(config_of(cell, values))), []).append([cell.label, phase, number])
    for slots in alike.values():
        cell = study.cell(slots[0][0])
        examples, inputs, outputs = cell.size
        size = Size(examples, inputs, outputs)
        study.fleets += split_evenly(slots, engine_choice.capacity(config_of(cell, cell.default), size, len(slots)))


def split_evenly(slots: list[Slot], most: int) -> list[list[Slot]]:
    """`slots` in order, in as few portions of at most `most` as there can be, as equal as can be."""
    count = math.ceil(len(slots) / most)
    edges = [len(slots) * i // count for i in range(count + 1)]
    return [slots[start:end] for start, end in pairwise(edges)]
