"""Defining a study: settings, the command line's axes and a Composer in; a Study, with the list of its trials, out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regimens.core.errors import UserError
from regimens.core.hashing import derive_seed, digest
from regimens.study.definition.cell_ranges import defaults_for, ranges_for
from regimens.study.definition.checks import (
    MetricsOf,
    Note,
    check_compared,
    check_line,
    check_tunable,
    measuring,
    seed_of,
    settle_margin,
    settle_metrics,
    tell_budget,
)
from regimens.study.definition.command_line import CommandLine, axes_of, tuned_of
from regimens.study.definition.composer import Composer, key_of, merge
from regimens.study.definition.engine_plan import SizeOf, plan_engines
from regimens.study.definition.identity import DataHash, identify
from regimens.study.definition.nesting import contained
from regimens.study.definition.pruners import check_pruner
from regimens.study.definition.samplers import check_sampler
from regimens.study.definition.settings import MEASURE, SEARCH, Settings
from regimens.study.definition.study import Cell, Study
from regimens.study.definition.sweeps import DECLARED
from regimens.study.definition.technique_values import base_of, compose_cells

DEFAULT = "default"
# What a study keeps of its settings as it is.
AS_SAID = (
    *("question", "objectives", "mode", "sampler", "pruner", "settle", "target", "over"),
    *("trials", "extend", "refine", "retries"),
)
# The groups whose options every cell starts from.
STARTS = ("data", "scale")
MOST = 10_000  # cells; finals of a cell
# Of a study that is given a time: finals of a cell in the first round, and how often a grid is made finer at most.
ROUND, FINEST = 3, 3
Unit = tuple[dict[str, int], tuple[str, ...]]


@dataclass(frozen=True)
class Code:
    """The code that moves numbers: its hash, the revision that it is of, and the hash of each of its files."""

    hash: str = ""
    revision: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)


def define(
    settings: Settings,
    line: CommandLine,
    composer: Composer,
    *,
    name: str,
    tune: Any = None,
    data_hash: DataHash = lambda cfg: None,
    code: Code = Code(),
    size_of: SizeOf = lambda cfg: None,
    metrics_of: MetricsOf = lambda config: None,
    note: Note = lambda sentence: None,
    workers: int = 1,
) -> Study:
    """The study that these settings and this command line ask for; `note` is told what of them has no effect.

    workers: who share the time of a study that is given one.

    Raises:
        UserError: something in it cannot be composed, is contradicted or ignored, or nothing has the range or the
            metric that is named.
    """
    check_sampler(settings.sampler)
    check_pruner(settings.pruner)
    check_line(line, settings, note)
    settings = timed(settings)
    axes = axes_of(line, settings.compared)
    shared = _shared(settings, line)
    tuned = tuned_of(line, settings.tuned, tune)
    check_tunable(tuned, axes)
    base = composer.compose(shared) if settings.mode == SEARCH else base_of(shared, composer)
    base_seed = seed_of(base.cfg)
    units = _units(settings, base_seed)
    if settings.mode == SEARCH:
        cells = _search(axes, shared, tuned, composer)
    else:
        cells = _grid(axes, shared, tuned, composer, units)
        check_compared(settings, line, axes, tuned, cells, composer.source, note)
    settings = settle_metrics(settings, cells, composer, metrics_of, note)
    if settings.direction == MEASURE and any(cell.tuned for cell in cells):
        raise UserError("study.direction=none: what is only measured cannot be tuned for; say maximize or minimize")
    for cell in cells:
        cell.data = data_hash(composer.compose(cell.overrides).plain)
    sizes = [size for cell in cells if (size := size_of(composer.compose(cell.overrides).plain)) is not None]
    extent = _extent(settings, line, workers)
    seeds = (base_seed, line.seeds or settings.seeds)
    identity = identify(settings, axes, tuned, cells, seeds, extent["budget"], composer, code.hash)
    study = Study(
        name=settings.name or name,
        id=digest(identity)[:8],
        explicit_name=settings.name is not None,
        source=composer.source,
        cells=cells,
        reference=_reference(settings.reference, cells, digest(base_of(merge(shared, units[0][1]), composer).regimen)),
        tuned=tuned,
        epochs=int(base.cfg.get("epochs", 1)),
        base_seed=base_seed,
        margin=settle_margin(settings, (size.spread for size in sizes)),
        code=code.hash,
        any_code=settings.code == "any",
        revision=code.revision,
        sources=dict(code.sources),
        identity=identity,
        setting={**{group: base.choices[group] for group in STARTS if group in base.choices}, "seed": str(base_seed)},
        **extent,
        **{key: getattr(settings, key) for key in AS_SAID},
    )
    tell_budget(settings, line, cells, note)
    plan_engines(study, settings, composer, size_of)
    return study


def _shared(settings: Settings, line: CommandLine) -> tuple[str, ...]:
    """The overrides that every cell shares."""
    # Where the storage is says nothing about a regimen, and its password has no place in a file.
    said = (one for one in line.fixed if key_of(one) not in ("study.storage", *DECLARED))
    return merge(settings.fixed, said, measuring(settings, line))


def timed(settings: Settings) -> Settings:
    """The settings of a study that is given a time: with how many finals each round begins, and the finest grid."""
    if settings.seconds is None:
        return settings
    return dataclasses.replace(settings, seeds=ROUND, refine=max(FINEST, settings.refine))


def _extent(settings: Settings, line: CommandLine, workers: int) -> dict[str, Any]:
    """The seeds of finals that are named, if any, how many each cell has at first, and at most; or for how long all of
    them may be trained, and the command line that asks for as much again."""
    seeds: Any = line.seeds or settings.seeds
    named = () if isinstance(seeds, int) else tuple(int(seed) for seed in seeds)
    count = len(named) or int(seeds)
    usual = 4 * count if settings.settle and not named else count if settings.seconds is None else MOST
    finals = {"final_seeds": named, "seeds": count, "most_seeds": settings.most_seeds or usual}
    if settings.seconds is None:
        return {**finals, "budget": None, "asked": line.asked}
    return {**finals, "budget": settings.seconds * workers, "asked": (*line.asked, f"study.workers={workers}")}


def _units(settings: Settings, base_seed: int) -> list[Unit]:
    """The repetitions of the whole study: what tells each from the others, and the overrides that make it so."""
    found: list[Unit] = []
    for repeat, fold in itertools.product(range(settings.repeats), range(settings.folds or 1)):
        unit, overrides = {}, []
        if settings.repeats > 1:
            unit["repeat"] = repeat
            overrides += [f"seed={derive_seed(base_seed, 'repeat', repeat)}"] if repeat else []
        if settings.folds:
            unit["fold"] = fold
            overrides += [f"++data.folds={settings.folds}", f"++data.fold={fold}"]
        found.append((unit, tuple(overrides)))
    return found


def _grid(
    axes: Mapping[str, dict[str, tuple[str, ...]]],
    shared: tuple[str, ...],
    tuned: dict[str, Any],
    composer: Composer,
    units: Sequence[Unit],
) -> list[Cell]:
    if (count := math.prod(len(labels) for labels in axes.values()) * len(units)) > MOST:
        raise UserError(f"{' x '.join(axes)}: {count} cells, and {MOST} are the most")
    places, layers = {}, {}
    for labels, (unit, repeated) in itertools.product(itertools.product(*axes.values()), units):
        chosen = dict(zip(axes, labels, strict=True))
        group = ",".join(f"{axis}={one}" for axis, one in chosen.items()) or DEFAULT
        label = ",".join([group, *(f"{name}={number}" for name, number in unit.items())])
        places[label] = group, unit, chosen
        layers[label] = merge(shared, *(axes[axis][one] for axis, one in chosen.items()), repeated)
    cells, found = [], compose_cells(layers, composer)
    # What contains what is the same in every repetition.
    limits = contained({group: found[label] for label, (group, unit, _) in places.items() if unit == units[0][0]})
    for label, composed in found.items():
        group, unit, chosen = places[label]
        ranges = ranges_for(composed.cfg, tuned)
        cells.append(
            Cell(
                label=label,
                values=chosen,
                overrides=layers[label],
                group=group,
                unit=unit,
                ranges=ranges,
                default=defaults_for(composed.cfg, ranges),
                regimen_hash=digest(composed.regimen),
                config=composed.to_text(),
                choices=dict(composed.choices),
                seed=int(composed.cfg.get("seed", 0)),
                contains=limits.get(group, ""),
            )
        )
    return cells


def _search(
    axes: Mapping[str, dict[str, tuple[str, ...]]], shared: tuple[str, ...], tuned: dict[str, Any], composer: Composer
) -> list[Cell]:
    """One cell that searches all axes together, and the base regimen beside it to compare with."""
    base = composer.compose(shared)
    regimen_hash = digest(base.regimen)
    ranges = ranges_for(base.cfg, tuned)
    default = {axis: _chosen(base, labels, composer, shared) for axis, labels in axes.items()}
    search = Cell(
        label=SEARCH,
        values={"regimen": SEARCH},
        overrides=shared,
        ranges=ranges,
        default={axis: label for axis, label in default.items() if label} | defaults_for(base.cfg, ranges),
        axes=dict(axes),
        regimen_hash=regimen_hash,
        seed=int(base.cfg.get("seed", 0)),
    )
    if not search.tuned:
        raise UserError("study.mode=search: there is nothing to search; name axes or tuned values")
    plainly = Cell(DEFAULT, {"regimen": DEFAULT}, shared, regimen_hash=regimen_hash, config=base.to_text())
    plainly.choices, plainly.seed = dict(base.choices), search.seed
    return [plainly, search]


def _chosen(base: Any, labels: dict[str, tuple[str, ...]], composer: Composer, shared: tuple[str, ...]) -> str | None:
    """Which option of an axis the base regimen already has, if any."""
    for label, overrides in labels.items():
        if composer.compose(merge(shared, overrides)).regimen == base.regimen:
            return label
    return None


def _reference(wanted: str | None, cells: list[Cell], base_hash: str) -> str | None:
    labels = list(dict.fromkeys(cell.group for cell in cells))
    if wanted is not None:
        named = [cell.group for cell in cells if wanted in (cell.group, *map(str, cell.values.values()))]
        matches = list(dict.fromkeys(named))
        if len(matches) != 1:
            raise UserError(f"study.reference={wanted}: {len(matches)} cells match; the cells are {', '.join(labels)}")
        return matches[0]
    return next((cell.group for cell in cells if cell.regimen_hash == base_hash), labels[0] if labels else None)
