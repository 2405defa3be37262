"""One joint search over everything: which option of each axis, then what that combination's techniques let tune."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from regimens.core.hashing import derive_seed
from regimens.study.definition.cell_ranges import ranges_for
from regimens.study.definition.composer import Composed, Composer, merge
from regimens.study.definition.points import text_of
from regimens.study.definition.samplers import make_sampler
from regimens.study.definition.search_space import Range
from regimens.study.definition.study import Cell, Study

if TYPE_CHECKING:
    from optuna.trial import Trial


#: a composition of overrides
Compose = Callable[[tuple[str, ...]], Composed]


def suggest(trial: Trial, cell: Cell, tuned: dict[str, Any], compose: Compose) -> dict[str, Any]:
    """Values for one trial, from Optuna or from what was enqueued with it: path or axis -> value."""
    if not cell.axes:
        return {path: _one(trial, path, one) for path, one in cell.ranges.items()}
    values: dict[str, Any] = {axis: trial.suggest_categorical(axis, list(labels)) for axis, labels in cell.axes.items()}
    cfg = compose(overrides_of(cell, values)).cfg
    for path, one in ranges_for(cfg, tuned).items():
        values[path] = _one(trial, optuna_name(cell, values, path), one)
    return values


def optuna_name(cell: Cell, values: dict[str, Any], path: str) -> str:
    """The name of a value in Optuna, where one name means one range: `optimizer.lr[nadam]` if nadam brought it."""
    label = values.get(path.split(".", 1)[0]) if path not in cell.axes else None
    return f"{path}[{label}]" if label and cell.axes else path


def space_of(
    cell: Cell, values: dict[str, Any], tuned: dict[str, Any], compose: Compose
) -> dict[str, tuple[Any, Range]] | None:
    """These values as Optuna knows them: name -> (value, range); None if its space does not hold them.

    A default outside its own range is tried like any other point, but Optuna never hears of its values. Where a grid
    was extended, the range that Optuna hears of is.
    """
    if any(values.get(axis) not in labels for axis, labels in cell.axes.items()):
        return None
    ranges = {axis: Range(choices=tuple(labels)) for axis, labels in cell.axes.items()}
    ranges |= ranges_for(compose(overrides_of(cell, values)).cfg, tuned) if cell.axes else cell.ranges
    if cell.sweeps:
        ranges = {path: one.including(values.get(path)) for path, one in ranges.items()}
    if set(values) != set(ranges) or not all(one.contains(values[path]) for path, one in ranges.items()):
        return None
    return {optuna_name(cell, values, path): (one.encode(values[path]), one.known) for path, one in ranges.items()}


def _one(trial: Trial, name: str, one: Range) -> Any:
    if one.choices is not None:
        return one.decode(trial.suggest_categorical(name, list(one.known.choices or ())))
    assert one.low is not None and one.high is not None
    if one.whole:
        return trial.suggest_int(name, int(one.low), int(one.high), log=one.log)
    return trial.suggest_float(name, float(one.low), float(one.high), log=one.log)


def overrides_of(cell: Cell, values: dict[str, Any]) -> tuple[str, ...]:
    """The overrides of a cell with the options that `values` takes of its axes."""
    return merge(cell.overrides, *(cell.axes[axis][values[axis]] for axis in cell.axes if axis in values))


def params_of(cell: Cell, values: dict[str, Any]) -> dict[str, Any]:
    """What of `values` is set in the composed configuration, rather than composed."""
    return {path: value for path, value in values.items() if path not in cell.axes}


def draw_search(study: Study, cell: Cell) -> list[dict[str, Any] | None]:
    """The points of a joint search by a sampler that does not adapt, the default regimen first."""
    import optuna

    composer = Composer(study.source)
    name = "qmc" if study.sampler == "grid" else study.sampler  # there is no grid of combinations of this size
    drawing = optuna.create_study(sampler=make_sampler(name, derive_seed(study.base_seed, cell.label)))
    points: dict[str, dict[str, Any] | None] = {text_of(cell.default): dict(cell.default)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(20 * study.trials + 100):  # a small space is soon exhausted
            if len(points) >= study.trials:
                break
            trial = drawing.ask()
            point = suggest(trial, cell, study.tuned, composer.compose)
            points.setdefault(text_of(point), point)
            drawing.tell(trial, 0.0)
    return list(points.values())
