"""The definition of a study: its cells, its budget, its seeds, and the identity that follows from them.

In: settings, the command line's axes, and a Composer. Out: a Study, of plain values only, that is written to
`study.json` and is all that a worker needs to know.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.errors import UserError
from regimens.result import finite, write_json
from regimens.study.axes import CommandLine, options, tuned_of
from regimens.study.compose import Composer, Source, digest, merge
from regimens.study.pruners import check_pruner
from regimens.study.samplers import FIXED, check_sampler
from regimens.study.settings import Settings
from regimens.study.space import Range, defaults_for, draw, make_range, ranges_for

SEARCH = "search"
DEFAULT = "default"


@dataclass
class Cell:
    """One combination of the compared axes, with the points at which its tuned axes are tried."""

    label: str
    values: dict[str, Any]
    overrides: tuple[str, ...]
    ranges: dict[str, Range] = field(default_factory=dict)
    #: what the configuration itself has at the tuned paths
    default: dict[str, Any] = field(default_factory=dict)
    #: one entry per tuning trial: its values, or None where an adaptive sampler chooses them later
    points: list[dict[str, Any] | None] = field(default_factory=list)
    #: in a joint search: axis -> label -> overrides; empty otherwise
    axes: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    regimen_hash: str = ""

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned here."""
        return bool(self.ranges or self.axes)

    @property
    def directory(self) -> str:
        """The label as the name of a directory."""
        safe = re.sub(r"[^\w=.,+-]+", "-", self.label)
        return safe if len(safe) <= 80 and safe == self.label else f"{safe[:70]}-{digest(self.label)[:8]}"


@dataclass
class Study:
    """Everything that says what is to be trained; who trains it, where and when is not in here."""

    name: str
    id: str
    explicit_name: bool
    question: str | None
    source: Source
    cells: list[Cell]
    reference: str | None
    tuned: dict[str, Any]
    objectives: tuple[tuple[str, str], ...]
    mode: str
    sampler: str
    pruner: str
    epochs: int
    base_seed: int
    final_seeds: tuple[int, ...]
    trials: int
    retries: int
    #: what the identity was computed from
    identity: dict[str, Any]

    @property
    def key(self) -> str:
        """The name that tells this study from every other one, for directories and databases."""
        return f"{self.name}-{self.id}"

    @property
    def title(self) -> str:
        """The name of the exported files: a declared or named study's own; an unnamed one's with its identity."""
        return self.name if self.name != "adhoc" else self.key

    @property
    def metric(self) -> str:
        """The metric that selects a cell's best regimen."""
        return self.objectives[0][0]

    @property
    def maximize(self) -> bool:
        """Whether more of the metric is better."""
        return self.objectives[0][1] == "maximize"

    def count(self, cell: Cell, phase: str) -> int:
        """How many trials a phase of a cell has."""
        return len(cell.points) if phase == "tuning" else len(self.final_seeds)

    def phases(self, cell: Cell) -> tuple[str, ...]:
        """The phases of a cell, in order."""
        return ("tuning", "final") if cell.tuned else ("final",)

    @property
    def total(self) -> int:
        """The number of trials in the whole budget."""
        return sum(self.count(cell, phase) for cell in self.cells for phase in self.phases(cell))

    def cell(self, label: str) -> Cell:
        """The cell of this label."""
        return next(cell for cell in self.cells if cell.label == label)

    def save(self, directory: Path) -> None:
        """Write `study.json` into the study's directory."""
        write_json(finite(asdict(self)), directory / "study.json")

    @classmethod
    def load(cls, path: Path) -> Study:
        """Read `study.json`."""
        raw = json.loads(path.read_text())
        raw["source"] = Source(
            raw["source"]["config_name"],
            tuple((provider, place) for provider, place in raw["source"]["search_path"]),
            tuple(raw["source"]["hydra_overrides"]),
        )
        raw["cells"] = [
            Cell(
                **{
                    **cell,
                    "overrides": tuple(cell["overrides"]),
                    "ranges": {key: make_range(one, key) for key, one in cell["ranges"].items()},
                    "axes": {
                        axis: {label: tuple(overrides) for label, overrides in labels.items()}
                        for axis, labels in cell["axes"].items()
                    },
                }
            )
            for cell in raw["cells"]
        ]
        raw["objectives"] = tuple((name, direction) for name, direction in raw["objectives"])
        raw["final_seeds"] = tuple(raw["final_seeds"])
        return cls(**raw)


def define(
    settings: Settings,
    line: CommandLine,
    composer: Composer,
    *,
    name: str,
    tune: Any = None,
    data_hash: Callable[[DictConfig], str | None] = lambda cfg: None,
    code_hash: str | None = None,
) -> Study:
    """The study that these settings and this command line ask for.

    Raises:
        UserError: something in it cannot be composed, or nothing has the range that is to be tuned.
    """
    check_sampler(settings.sampler)
    check_pruner(settings.pruner)
    axes = {axis: options(axis, values) for axis, values in {**settings.compared, **line.compared}.items()}
    shared = merge(settings.fixed, line.fixed)
    for override in line.fixed:
        axes.pop(override.split("=", 1)[0], None)  # `optimizer=adam` narrows a declared axis to one value
    tuned = tuned_of(line.tuned, settings.tuned, tune)
    base = composer.compose(shared)
    base_seed = int(base.cfg.get("seed", 0))
    cells = _search(axes, shared, tuned, composer) if settings.mode == SEARCH else _grid(axes, shared, tuned, composer)
    if settings.mode != SEARCH and tuned and not any(cell.ranges for cell in cells):
        raise UserError(f"{', '.join(tuned)}: no technique of this study declares a range of this name (key `tune`)")
    seeds = _final_seeds(line.seeds or settings.seeds, base_seed, any(cell.tuned for cell in cells))
    identity = {
        "compared": {axis: {label: list(one) for label, one in labels.items()} for axis, labels in axes.items()},
        "tuned": tuned,
        "ranges": {cell.label: {path: one.to_json() for path, one in cell.ranges.items()} for cell in cells},
        "trials": settings.trials if any(cell.tuned for cell in cells) else None,
        "seeds": {"base": base_seed, "finals": list(seeds)},
        "objectives": [list(one) for one in settings.objectives],
        "mode": settings.mode,
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "regimens": {cell.label: composer.compose(cell.overrides).regimen for cell in cells},
        "data": _data_hashes([composer.compose(cell.overrides).cfg for cell in cells], data_hash),
        "weights": _weights([composer.compose(cell.overrides).cfg for cell in cells]),
        "code": code_hash,
    }
    identity = json.loads(json.dumps(finite(identity), default=str))
    study = Study(
        name=settings.name or name,
        id=digest(identity)[:8],
        explicit_name=settings.name is not None,
        question=settings.question,
        source=composer.source,
        cells=cells,
        reference=_reference(settings.reference, cells, digest(base.regimen)),
        tuned=tuned,
        objectives=settings.objectives,
        mode=settings.mode,
        sampler=settings.sampler,
        pruner=settings.pruner,
        epochs=int(base.cfg.get("epochs", 1)),
        base_seed=base_seed,
        final_seeds=seeds,
        trials=settings.trials,
        retries=settings.retries,
        identity=identity,
    )
    for cell in cells:
        cell.points = _points(study, cell)
    return study


def _data_hashes(configs: list[DictConfig], data_hash: Callable[[DictConfig], str | None]) -> list[str | None]:
    """The hash of each data set that these configurations name, each loaded once."""
    distinct = {digest(OmegaConf.to_container(cfg.data, resolve=True)): cfg for cfg in configs}
    return [data_hash(cfg) for cfg in distinct.values()]


def _weights(configs: list[DictConfig]) -> dict[str, str]:
    """The SHA-256 of each checkpoint that transfer starts from: other weights under the same path are another study."""
    found = {}
    for cfg in configs:
        named = OmegaConf.select(cfg, "transfer.checkpoint")
        if named:
            path = Path(named)
            path = path / "final.safetensors" if path.is_dir() else path
            if not path.is_file():
                raise UserError(f"transfer.checkpoint={named}: no such run or file; train one with experiment=task_a")
            found[str(named)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _grid(
    axes: Mapping[str, dict[str, tuple[str, ...]]], shared: tuple[str, ...], tuned: dict[str, Any], composer: Composer
) -> list[Cell]:
    cells = []
    for labels in itertools.product(*axes.values()):
        overrides = merge(shared, *(axes[axis][label] for axis, label in zip(axes, labels, strict=True)))
        composed = composer.compose(overrides)
        ranges = ranges_for(composed.cfg, tuned)
        cells.append(
            Cell(
                label=",".join(f"{axis}={label}" for axis, label in zip(axes, labels, strict=True)) or DEFAULT,
                values=dict(zip(axes, labels, strict=True)),
                overrides=overrides,
                ranges=ranges,
                default=defaults_for(composed.cfg, ranges),
                regimen_hash=digest(composed.regimen),
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
    )
    if not search.tuned:
        raise UserError("study.mode=search: there is nothing to search; name axes or tuned values")
    return [Cell(DEFAULT, {"regimen": DEFAULT}, shared, regimen_hash=regimen_hash), search]


def _chosen(base: Any, labels: dict[str, tuple[str, ...]], composer: Composer, shared: tuple[str, ...]) -> str | None:
    """Which option of an axis the base regimen already has, if any."""
    for label, overrides in labels.items():
        if composer.compose(merge(shared, overrides)).regimen == base.regimen:
            return label
    return None


def _points(study: Study, cell: Cell) -> list[dict[str, Any] | None]:
    if not cell.tuned:
        return []
    if study.sampler not in FIXED:
        return [dict(cell.default), *([None] * (study.trials - 1))]
    if cell.axes:
        from regimens.study.search import draw_search

        return draw_search(study, cell)
    return draw(cell.ranges, cell.default, study.sampler, study.trials, derive(study.base_seed, cell.label))


def derive(*parts: Any) -> int:
    """A seed in [0, 2**31) that follows from the parts and nothing else."""
    return int(digest(list(parts))[:8], 16) % 2**31


def _final_seeds(seeds: Any, base_seed: int, tuned: bool) -> tuple[int, ...]:
    """Seeds shared by all cells; fresh ones where seeds were used up by tuning, else the base seed comes first."""
    if not isinstance(seeds, int):
        return tuple(int(seed) for seed in seeds)
    fresh = [derive(base_seed, "final", number) for number in range(seeds)]
    return tuple(fresh if tuned else [base_seed, *fresh[1:]])


def _reference(wanted: str | None, cells: list[Cell], base_hash: str) -> str | None:
    labels = [cell.label for cell in cells]
    if wanted is not None:
        matches = [cell.label for cell in cells if wanted in (cell.label, *map(str, cell.values.values()))]
        if len(matches) != 1:
            raise UserError(f"study.reference={wanted}: {len(matches)} cells match; the cells are {', '.join(labels)}")
        return matches[0]
    return next((cell.label for cell in cells if cell.regimen_hash == base_hash), labels[0] if labels else None)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one line each: `path: old -> new`."""
    before, after = dict(_flat(old, "")), dict(_flat(new, ""))
    lines = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path, "absent"), after.get(path, "absent")
        if was != now:
            lines.append(f"{path}: {was} -> {now}")
    return lines


def _flat(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{prefix}.{key}" if prefix else key)]
    if isinstance(value, float) and math.isnan(value):
        return [(prefix, None)]
    return [(prefix, value)]
