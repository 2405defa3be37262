"""What a person may say under `study:`; comes from the configuration, goes to whoever needs one of its values."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regimens.core.errors import UserError, nearest
from regimens.core.metrics import direction
from regimens.study.definition.composer import override_text

SEARCH = "search"
ABLATE = "ablate"
MODES = ("compare", SEARCH, ABLATE)
MEASURE = "none"
AUTO = "auto"
DEFAULT_METRIC, OF_QUANTITIES = "val/accuracy", "val/rmse"
#: of `margin=auto`: what an accuracy, say, may differ by; a quantity by this part of its standard deviation
MARGIN, PART = 0.005, 0.01
DIRECTIONS = ("maximize", "minimize", MEASURE)
MOST = 100_000  # trials of a phase


@dataclass(frozen=True)
class Settings:
    """The keys of the group `study`, with their defaults."""

    question: str | None = None
    #: axis -> list of values, or axis -> {name: [overrides]} where one value sets several things at once
    compared: Mapping[str, Any] = field(default_factory=dict)
    #: config paths whose ranges the techniques declare, or path -> {low, high, log} | {choices}
    tuned: Any = field(default_factory=list)
    #: overrides that every cell shares
    fixed: tuple[str, ...] = ()
    #: the label of the cell that the others are compared with; null: the one equal to the base regimen
    reference: str | None = None
    trials: int = 1
    seeds: Any = 1
    #: how often everything, the tuning too, is done again with fresh seeds; on how many parts of the data that take
    #: turns at being the test set. Repetitions and folds are random effects in what is said of the finals.
    repeats: int = 1
    folds: int | None = None
    #: how long everything may take, in place of `trials` and `seeds`; one of the two
    minutes: float | None = None
    hours: float | None = None
    #: further rounds of finals until every comparison is settled within this difference, with at most `most_seeds` each
    settle: float | None = None
    most_seeds: int | None = None
    #: cells whose difference lies within ± this are called equal; in the metric's unit, null: no two are; auto: 0.005,
    #: or of a metric in the predicted quantities' own unit a hundredth of their standard deviation
    margin: float | str | None = AUTO
    #: a value of the metric that selects: tables and report say after how many epochs and seconds finals reach it
    target: float | None = None
    #: how often a tuned range may be extended where the best value lies at its end
    extend: int = 2
    #: how often a grid is made finer around its best value, which lies inside it
    refine: int = 1
    #: `same`: results of other code are trained anew; `any`: they are taken over, and the tables say so
    code: str = "same"
    #: null: val/accuracy, or val/rmse where quantities are predicted
    metric: str | None = None
    #: null: what the metric is says it
    direction: str | None = None
    metrics: tuple[str, ...] | None = None
    mode: str = "compare"
    #: mode=ablate: the search whose best regimen is taken apart, by its directory or its name
    of: str | None = None
    #: the compared axis over whose values the others are asked, such as data: a sample of problems
    over: str | None = None
    sampler: str = "grid"
    pruner: str = "none"
    workers: Any = 1
    per_gpu: int = 1
    storage: str | None = None
    storage_wait: float = 300
    name: str | None = None
    timeout: float | None = None
    retries: int = 2
    recover: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        _check_words(self)
        _check_numbers(self)
        _check_seeds(self.seeds)
        if not isinstance(self.compared, Mapping):
            raise UserError("study.compared: a mapping from axes to their values: {optimizer: [adam, nadam]}")
        if not isinstance(self.tuned, str | Mapping | list | tuple):
            raise UserError("study.tuned: names of values, or a mapping from paths to ranges")
        if self.metrics is not None and self.pruner != "none":
            raise UserError("study.metrics and study.pruner exclude each other: pruning needs a single metric")

    @property
    def seconds(self) -> float | None:
        """How long everything may take; None where the numbers of trials say what is asked for."""
        return 60 * self.minutes if self.minutes is not None else 3600 * self.hours if self.hours is not None else None

    @property
    def objectives(self) -> tuple[tuple[str, str], ...]:
        """(metric, direction) of each objective; what nobody says of `metrics` follows from their names."""
        if not self.metrics:
            metric = self.metric or DEFAULT_METRIC
            return ((metric, self.direction or direction(metric)),)
        return tuple((name, direction(name)) for name in self.metrics)


def _check_words(settings: Settings) -> None:
    for key, known in (("mode", MODES), ("direction", (None, *DIRECTIONS)), ("code", ("same", "any"))):
        if getattr(settings, key) not in known:
            options = ", ".join("null" if one is None else one for one in known)
            raise UserError(f"study.{key}={getattr(settings, key)}: it is one of {options}")
    for key in ("metric", "sampler", "pruner"):
        if not isinstance(getattr(settings, key), str) and not (key == "metric" and settings.metric is None):
            raise UserError(f"study.{key}={getattr(settings, key)}: it is a name")
    for key in ("question", "storage", "name", "reference", "of", "over"):
        if not isinstance(getattr(settings, key), str | int | float | None):
            raise UserError(f"study.{key}: it is a text, or null")
    for key in ("recover", "retry_failed"):
        if not isinstance(getattr(settings, key), bool):
            raise UserError(f"study.{key}={getattr(settings, key)}: it is true or false")
    if settings.of is not None and settings.mode != ABLATE:
        raise UserError(f"study.of={settings.of}: it is for study.mode=ablate")
    if settings.name is not None and not re.fullmatch(r"[\w][\w .,+=-]*", settings.name):
        raise UserError(f"study.name={settings.name}: letters, digits, spaces and .,+=_- (it names files)")
    if settings.metrics is not None and not all(isinstance(one, str) for one in settings.metrics):
        raise UserError("study.metrics: a list of names, such as [val/accuracy,time/train]")


def _check_numbers(settings: Settings) -> None:
    most = (
        []
        if settings.most_seeds is None
        else [("most_seeds", settings.seeds if isinstance(settings.seeds, int) else 1)]
    )
    for key, least in (
        ("trials", 1),
        ("extend", 0),
        ("refine", 0),
        ("retries", 0),
        ("per_gpu", 1),
        ("repeats", 1),
        *most,
    ):
        value = getattr(settings, key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST:
            raise UserError(f"study.{key}={value}: it is a whole number, at least {least} and at most {MOST}")
    if settings.folds is not None and (not isinstance(settings.folds, int) or not 2 <= settings.folds <= MOST):
        raise UserError(f"study.folds={settings.folds}: it is a whole number, at least 2, or null")
    if settings.repeats > 1 or settings.folds:
        asked = f"study.folds={settings.folds}" if settings.folds else f"study.repeats={settings.repeats}"
        if settings.mode != MODES[0]:
            raise UserError(f"{asked}: it is for study.mode=compare")
        if settings.over is not None:
            raise UserError(f"{asked} and study.over={settings.over}: give one of them")
    for key in ("settle", "margin"):
        value = getattr(settings, key)
        if key == "margin" and value == AUTO:
            continue
        if value is not None and not (_is_number(value) and value > 0):
            raise UserError(f"study.{key}={value}: it is a difference in the metric, above 0, or null")
    for key in ("minutes", "hours"):
        value = getattr(settings, key)
        if value is not None and not (_is_number(value) and value > 0):
            raise UserError(f"study.{key}={value}: it is a time above 0, or null")
    if settings.minutes is not None and settings.hours is not None:
        raise UserError(f"study.minutes={settings.minutes} and study.hours={settings.hours}: give one of them")
    if settings.target is not None and not _is_number(settings.target):
        raise UserError(f"study.target={settings.target}: it is a value of the metric, such as 0.85, or null")
    workers = settings.workers
    if workers != "auto" and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise UserError(f"study.workers={workers}: it is a whole number, at least 1, or auto")
    if settings.timeout is not None and (not _is_number(settings.timeout) or settings.timeout <= 0):
        raise UserError(f"study.timeout={settings.timeout}: it is a number of seconds, or null")
    if not _is_number(settings.storage_wait) or settings.storage_wait < 0:
        raise UserError(f"study.storage_wait={settings.storage_wait}: it is a number of seconds")


def _check_seeds(seeds: Any) -> None:
    wrong = f"study.seeds={override_text(seeds)}"
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if not 1 <= seeds <= MOST:
            raise UserError(f"{wrong}: it is at least 1 and at most {MOST}, or a list of seeds")
        return
    if not isinstance(seeds, list | tuple) or not seeds or not all(_is_seed(seed) for seed in seeds):
        raise UserError(f"{wrong}: it is a whole number, or a list of seeds, which are whole numbers from 0")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"{wrong}: a seed is given twice, and would train the same bits again")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read_settings(node: Mapping[str, Any] | None) -> Settings:
    """Settings of a plain `study:` mapping.

    Raises:
        UserError: an unknown key, or a value outside its domain.
    """
    if node is not None and not isinstance(node, Mapping):
        raise UserError(f"study={node}: no such study; python src/train.py --info lists them")
    node = dict(node or {})
    known = {one.name for one in dataclasses.fields(Settings)}
    if unknown := sorted(str(key) for key in set(node) - known):
        close = nearest(unknown[0], known)
        raise UserError(f"study.{unknown[0]}: no such key{close}")
    for key in ("compared", "tuned", "fixed"):
        node[key] = node.get(key) or ({} if key == "compared" else ())
    if not isinstance(node["fixed"], list | tuple) or not all(isinstance(one, str) for one in node["fixed"]):
        raise UserError("study.fixed: a list of overrides, such as [epochs=3]")
    node["fixed"] = tuple(node["fixed"])
    for key in ("name", "reference"):
        if isinstance(node.get(key), int | float):
            node[key] = override_text(node[key])
    if node.get("metrics"):
        if not isinstance(node["metrics"], list | tuple):
            raise UserError("study.metrics: a list of names, such as [val/accuracy,time/train]")
        node["metrics"] = tuple(node["metrics"])
        node["metric"] = node["metrics"][0]
    settings = Settings(**node)
    if settings.metrics:
        return dataclasses.replace(settings, direction=settings.objectives[0][1])
    return settings
