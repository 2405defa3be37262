"""How long finals take to a value of the metric that a study names: epochs, steps and seconds, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regimens.report.cells import Table
from regimens.report.numbers import MISSING, number, value
from regimens.report.tables import Cell, Study, Trial
from regimens.stats.random_effects import Estimate, student

CAPTION = (
    "When finals first reach {target} of {metric}: the mean over finals, with Student's 95% interval. The metric is "
    "measured after each epoch and taken to rise evenly in between; the first epoch counts as a whole. Seconds are "
    "those of this machine and engine."
)
COLUMNS = ("reached", "epochs", "steps", "seconds")


@dataclass(frozen=True)
class Reach:
    """When one final first had the target; steps and seconds None where its result does not tell them."""

    epochs: float
    steps: float | None
    seconds: float | None


def metric_of(study: Study) -> str:
    """The metric whose history is looked at: the one that selects."""
    return str(study.about.get("metric") or "val/accuracy")


def reached(cell: Cell, name: str, target: float, *, maximize: bool = True) -> list[Reach | None]:
    """One entry a final; None where it never has the target."""
    return [reach(trial, name, target, maximize=maximize) for trial in cell.finals]


def reach(trial: Trial, name: str, target: float, *, maximize: bool = True) -> Reach | None:
    """When a trial first has the target, between epochs by linear interpolation."""
    sign = 1 if maximize else -1
    curve = [None if one is None else sign * one for one in trial.history(name)]
    first = next((i for i, one in enumerate(curve) if one is not None and one >= sign * target), None)
    if first is None:
        return None
    before, here = (curve[first - 1] if first else None), curve[first]
    share = 1.0 if before is None or here is None else (sign * target - before) / (here - before)
    epochs = first + share
    steps = steps_per_epoch(trial.raw)
    clock = trial.history("time")
    ended = clock[first] if first < len(clock) else None
    begun = clock[first - 1] if first and ended is not None else 0.0
    seconds = None if ended is None or begun is None else begun + share * (ended - begun)
    return Reach(epochs, None if steps is None else epochs * steps, seconds)


def steps_per_epoch(raw: Mapping[str, Any]) -> int | None:
    """Updates an epoch; None where a result tells neither its batch size nor its training examples."""
    size = number((raw.get("regimen") or {}).get("batch_size"))
    data = (raw.get("provenance") or {}).get("data") or {}
    examples = number((data.get("sizes") or {}).get("train")) if isinstance(data, Mapping) else None
    return math.ceil(examples / size) if size and examples else None


def mean(found: Sequence[Reach | None], name: str) -> Estimate | None:
    """The mean of epochs, steps or seconds over finals that all reached the target; None where one did not."""
    told = [getattr(one, name) for one in found if one is not None]
    whole = told and len(told) == len(found) and None not in told
    return student(told) if whole else None


def texts(found: Sequence[Reach | None]) -> tuple[str, ...]:
    """How many finals reached the target, and after how many epochs, steps and seconds."""
    count = sum(one is not None for one in found)
    return f"{count} of {len(found)}", *(_text(mean(found, name), name) for name in COLUMNS[1:])


def keys(found: Sequence[Reach | None]) -> tuple[Any, ...]:
    """What these are sorted by."""
    told = [mean(found, name) for name in COLUMNS[1:]]
    return sum(one is not None for one in found), *(None if one is None else one.mean for one in told)


def _text(one: Estimate | None, name: str) -> str:
    if one is None:
        return MISSING
    digits = 0 if name == "steps" else 1
    bounds = "" if one.low is None or one.high is None else f" [{max(one.low, 0):,.{digits}f}, {one.high:,.{digits}f}]"
    return f"{one.mean:,.{digits}f}{bounds}"


def target_table(study: Study) -> Table | None:
    """A row a cell; None where the study names no target, or its results hold no history."""
    target, name = number(study.about.get("target")), metric_of(study)
    cells = [cell for cell in study.ranked if any(t.history(name) for t in cell.finals)]
    if target is None or not cells:
        return None
    found = [reached(cell, name, target, maximize=study.maximize) for cell in cells]
    rows = tuple((cell.label, *texts(one)) for cell, one in zip(cells, found, strict=True))
    sorts = tuple((cell.label, *keys(one)) for cell, one in zip(cells, found, strict=True))
    told = CAPTION.format(target=value(target, name), metric=name.replace("/", " "))
    return Table(("cell", *COLUMNS), rows, sorts, told)
