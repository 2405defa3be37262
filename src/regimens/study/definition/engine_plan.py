"""Which engine each cell of a study uses, decided once when it is defined; and which trials of a round form a fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from regimens.core.hashing import digest
from regimens.study.definition.composer import Composer
from regimens.study.definition.samplers import FIXED
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import Cell, Slot, Study
from regimens.trial.engine_choice import Planned, Size, capacity, choose, shape_of

SizeOf = Callable[[Mapping[str, Any]], Size | None]
#: the resolved configuration of a cell's trial with these values
ConfigOf = Callable[[Cell, Mapping[str, Any]], Mapping[str, Any]]


def plan_engines(study: Study, settings: Settings, composer: Composer, size_of: SizeOf) -> None:
    """Set each cell's engine and size, and why no trials are trained together.

    A study whose trials have no engine (`size_of` gives None) is left alone.
    """
    configs = {cell.label: composer.compose(cell.overrides).plain for cell in study.cells}
    sizes = {label: size for label, config in configs.items() if (size := size_of(config)) is not None}
    if len(sizes) < len(configs):
        return
    study.alone = why_alone(settings)
    listed = []
    for cell in study.cells:
        size = sizes[cell.label]
        cell.size = [size.examples, size.inputs, size.outputs]
        in_a_round = 0 if study.alone else max(study.trials if cell.tuned else 0, study.seeds)
        listed.append(Planned(configs[cell.label], size, planned(study, cell), in_a_round))
    for cell, engine in zip(study.cells, choose(listed), strict=True):
        cell.engine = engine


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


def plan_fleets(study: Study, config_of: ConfigOf) -> None:
    """Put the trials of the newest round that are of one shape into fleets, where their engine is one."""
    known = {tuple(slot) for slots in study.fleets for slot in slots}
    alike: dict[tuple[str, str], list[Slot]] = {}
    for cell, phase, number in study.slots:
        if cell.engine == "fleet" and not study.alone and (cell.label, phase, number) not in known:
            values = (cell.points[number] if phase == "tuning" else cell.best) or {}
            alike.setdefault((phase, digest(shape_of(config_of(cell, values)))), []).append([cell.label, phase, number])
    for slots in alike.values():
        cell = study.cell(slots[0][0])
        examples, inputs, outputs = cell.size
        size = Size(examples, inputs, outputs)
        study.fleets += split_evenly(slots, capacity(config_of(cell, cell.default), size, len(slots)))


def split_evenly(slots: list[Slot], most: int) -> list[list[Slot]]:
    """`slots` in order, in as few portions of at most `most` as there can be, as equal as can be."""
    count = math.ceil(len(slots) / most)
    edges = [len(slots) * i // count for i in range(count + 1)]
    return [slots[start:end] for start, end in pairwise(edges)]
