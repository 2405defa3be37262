"""What is asked, checked before anything is trained: the metric exists, and nothing that was typed is ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from regimens.core.errors import UserError, nearest
from regimens.core.metrics import direction, extra, in_unit
from regimens.study.definition.cell_ranges import is_wanted
from regimens.study.definition.command_line import UNSWEPT, CommandLine
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.settings import (
    AUTO,
    DEFAULT_METRIC,
    MARGIN,
    MEASURE,
    OF_QUANTITIES,
    PART,
    SEARCH,
    Settings,
)
from regimens.study.definition.study import Cell
from regimens.study.definition.technique_values import catalogue, elsewhere, folders

Note = Callable[[str], None]
#: metric -> maximize, minimize or none, of what a configuration trains; None where that is not known
MetricsOf = Callable[[Mapping[str, Any]], Mapping[str, str] | None]

# What a study's trials set for themselves, or do not depend on.
UNTUNED = {**UNSWEPT, "seed": "for replications write study.seeds=5", "engine": "it is one for all trials of a cell"}
UNTUNED["probe"] = "it looks on, and changes nothing that is trained"


def check_line(line: CommandLine, settings: Settings, note: Note) -> None:
    """Refuse what a command line contradicts itself in, and what a study cannot use.

    Raises:
        UserError: one line each.
    """
    if named := line.given("name"):
        raise UserError(f"{named}: it names a single run; a study is named by study.{key_value(named)}")
    if line.seeds is not None and (also := line.given("study.seeds")):
        raise UserError(
            f"seed={','.join(map(str, line.seeds))} and {also}: both say which seeds the finals have; say one"
        )
    if settings.metrics and (also := line.given("study.metric")):
        raise UserError(f"{also}: study.metrics={list(settings.metrics)} says what is measured; say one of the two")
    if settings.metrics and (also := line.given("study.direction")):
        raise UserError(f"{also}: there are several metrics (study.metrics), and each has its own direction")
    if settings.seconds is not None:
        asked = f"study.minutes={settings.minutes}" if settings.hours is None else f"study.hours={settings.hours}"
        for key in ("study.trials", "study.seeds"):
            if also := line.given(key):
                raise UserError(f"{also} and {asked}: the time says how many there are; say one of the two")
        if line.seeds is not None or not isinstance(settings.seeds, int):
            raise UserError(f"{asked}: the time says how many finals there are, so that their seeds cannot be named")
    if also := line.given("test"):
        note(f"{also} has no effect in a study: its finals read the test set, and its tuning never does")


def key_value(override: str) -> str:
    """An override without `+`."""
    return override.lstrip("+")


def check_compared(
    settings: Settings,
    line: CommandLine,
    axes: Mapping[str, Any],
    tuned: Mapping[str, Any],
    cells: Sequence[Cell],
    source: Source,
    note: Note,
) -> None:
    """Refuse what changes nothing of the cells that are compared, or that none of them has; see the three below."""
    check_over(settings.over, axes)
    check_axes(axes, cells, [*line.compared, *(line.declared.get("study.compared") or ())])
    check_tuned(tuned, cells, line, source, note)


def check_axes(axes: Mapping[str, Any], cells: Sequence[Cell], asked: Iterable[str]) -> None:
    """Refuse an axis of the command line (`asked`) that changes nothing."""
    for axis in asked:
        others: dict[tuple[str, ...], set[tuple[str, int]]] = {}
        for cell in cells:
            if axis in cell.values:
                rest = tuple(value for other, value in cell.values.items() if other != axis)
                others.setdefault(rest, set()).add((cell.regimen_hash, cell.seed))
        if len(axes.get(axis, ())) > 1 and others and all(len(hashes) == 1 for hashes in others.values()):
            raise UserError(
                f"{axis}={','.join(axes[axis])}: it changes nothing of what is trained, so there is nothing to compare"
            )


def check_over(over: str | None, axes: Mapping[str, Any]) -> None:
    """Raise UserError where no such axis is compared, or nothing beside it that could be asked over its values."""
    if over is not None and (over not in axes or len(axes) < 2):
        raise UserError(
            f"study.over={over}: it is one of several compared axes, such as data in "
            "-m data=digits,wine optimizer=sgd,adam study.over=data"
        )


def check_tunable(tuned: Mapping[str, Any], axes: Iterable[str]) -> None:
    """Refuse what trials set for themselves, or do not depend on, and what is compared, too."""
    for path in tuned:
        if path in axes:
            raise UserError(f"{path}: it is compared and tuned at once; say one (study.tuned=[] tunes nothing)")
        first = path.replace("/", ".").split(".")[0]
        if first in UNTUNED:
            raise UserError(f"{path}: not a value to be tuned: {UNTUNED[first]}")


def check_tuned(tuned: Mapping[str, Any], cells: Sequence[Cell], line: CommandLine, source: Source, note: Note) -> None:
    """Refuse what no cell has, if it was typed or nothing else is tuned; say where only some cells have it."""
    typed = line.given("tune") or line.given("study.tuned") or not any(cell.ranges for cell in cells)
    for path, raw in tuned.items():
        having = [cell for cell in cells if any(is_wanted(one, [path]) for one in cell.ranges)]
        if not having:
            why = _untuned(path, raw is None, cells, source)
            if typed or raw is not None:
                raise UserError(why)
            note(why)
        elif (started := line.given(path)) and path not in line.tuned:
            note(f"{path} is tuned, so that {started} is at most where that starts; study.tuned=[] tunes nothing")
        elif raw is not None and len(having) < len(cells):
            lacking = ", ".join(cell.label for cell in cells if cell not in having)
            note(f"{path} is tuned where it is, which it is not in {lacking}")


def _untuned(path: str, declared: bool, cells: Sequence[Cell], source: Source) -> str:
    """Why nothing is tuned at a path, and what to type instead."""
    if not declared:
        return f"{path}: tuned, but no cell has such a value{elsewhere(path, source)}"
    group, dot, name = path.partition(".")
    known = {one.rsplit(".", 1)[-1] for cell in cells for one in cell.ranges}
    groups = [group] if dot else sorted({one.name for folder in folders(source) for one in folder.glob("*/")})
    for one in groups:
        options = [
            option for option, node in catalogue(one, source).items() if (name or path) in (node.get("tune") or {})
        ]
        if options:
            work = f"{one}={','.join(options)} 'study.tuned=[{one}.{name or path}]'"
            return f"{path}: no technique of this study declares a range of this name (key `tune`); these do: {work}"
    return f"{path}: no technique declares a range of this name (key `tune`){nearest(path, known) if known else ''}"


def seed_of(cfg: DictConfig) -> int:
    """The seed of a configuration; raises UserError where that is none."""
    seed = cfg.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"seed={seed}: a seed is a whole number, 0 or more; for replications write study.seeds=5")
    return seed


def settle_metrics(
    settings: Settings, cells: Sequence[Cell], composer: Composer, metrics_of: MetricsOf, note: Note
) -> Settings:
    """The settings with a direction: what the metric is says it, unless the study does.

    Raises:
        UserError: a metric that some cell's trials do not have.
    """
    natural, measured = {}, {}
    for cell in cells:
        # What selects is measured without the test set where a cell is tuned.
        measured[cell.label] = metrics_of({**composer.compose(cell.overrides).plain, "test": not cell.tuned})
    if settings.metric is None:
        regression = bool(measured) and all(known and OF_QUANTITIES in known for known in measured.values())
        settings = dataclasses.replace(settings, metric=OF_QUANTITIES if regression else DEFAULT_METRIC)
    for name in settings.metrics or (str(settings.metric),):
        lacking = {label: known for label, known in measured.items() if known is not None and name not in known}
        if lacking:
            raise UserError(_no_metric(settings, name, lacking, everywhere=len(lacking) == len(cells)))
        natural[name] = next((known[name] for known in measured.values() if known), direction(name))
    if settings.metrics:
        return settings
    own = natural[str(settings.metric)]
    if settings.direction is None:
        return dataclasses.replace(settings, direction=own)
    if MEASURE not in (own, settings.direction) and own != settings.direction:
        better = "higher" if own == "maximize" else "lower"
        note(f"study.direction={settings.direction}, though a {better} {settings.metric} is better: as you say")
    return settings


def settle_margin(settings: Settings, spreads: Iterable[float]) -> float | None:
    """The margin of equality: what the study says, or what is right for its metric.

    spreads: of each cell's data, the standard deviation of the quantities that are predicted, 0 for classes.
    """
    if settings.margin != AUTO:
        return settings.margin  # type: ignore[return-value]
    least = min(spreads, default=0.0)
    return float(f"{PART * least:.2g}") if in_unit(settings.objectives[0][0]) and least else MARGIN


def measuring(settings: Settings, line: CommandLine) -> tuple[str, ...]:
    """The override that has trials measure what the study asks for, where that is not measured anyway."""
    names = extra(settings.metrics or (settings.metric or "",))
    if also := line.given("metrics"):
        raise UserError(f"{also}: a study's trials measure what study.metric or study.metrics names")
    return (f"metrics=[{','.join(names)}]",) if names else ()


def _no_metric(settings: Settings, name: str, lacking: Mapping[str, Mapping[str, str]], *, everywhere: bool) -> str:
    where = f"study.metrics={','.join(settings.metrics)}" if settings.metrics else f"study.metric={name}"
    known = next(iter(lacking.values()))
    if name.startswith("test/") and name.replace("test/", "val/", 1) in known:
        instead = name.replace("test/", "val/", 1)
        return f"{where}: tuning does not read the test set; select by {instead}, and the finals quote {name}"
    there = "" if everywhere else f" in {', '.join(lacking)}"
    return f"{where}: no such metric{f' as {name}' if settings.metrics else ''}{there}{nearest(name, known)}"


def tell_budget(settings: Settings, line: CommandLine, cells: Sequence[Cell], note: Note) -> None:
    """Say what of the budget is not used: tuning trials where nothing is tuned, or more than there are points."""
    tuned = [cell for cell in cells if cell.tuned]
    if not tuned:
        for key in ("trials", "sampler", "pruner"):
            if given := line.given(f"study.{key}"):
                note(f"{given} has no effect, since nothing is tuned (tune=lr, say, tunes the learning rate)")
    for path, one in {path: one for cell in tuned for path, one in cell.ranges.items()}.items():
        if one.size < settings.trials and settings.seconds is None and settings.mode != SEARCH:
            points = f"{one.size:g} points" if one.size > 1 else "1 point"
            note(f"study.trials={settings.trials}: {path} has {points}, and none is tried twice")
