"""What a person may say under `study:`; comes from the configuration, goes to whoever needs one of its values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regimens.core.errors import UserError

SEARCH = "search"
MODES = ("compare", SEARCH)
MEASURE = "none"
DIRECTIONS = ("maximize", "minimize", MEASURE)


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
    #: further rounds of finals until every comparison is settled within this difference, with at most `most_seeds` each
    settle: float | None = None
    most_seeds: int | None = None
    #: how often a tuned range may be extended where the best value lies at its end
    extend: int = 2
    #: `same`: results of other code are trained anew; `any`: they are taken over, and the tables say so
    code: str = "same"
    metric: str = "val/accuracy"
    direction: str = "maximize"
    metrics: tuple[str, ...] | None = None
    mode: str = "compare"
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
        if self.mode not in MODES:
            raise UserError(f"study.mode={self.mode}: it is one of {', '.join(MODES)}")
        if self.direction not in DIRECTIONS:
            raise UserError(f"study.direction={self.direction}: it is one of {', '.join(DIRECTIONS)}")
        if self.code not in ("same", "any"):
            raise UserError(f"study.code={self.code}: it is same or any")
        if self.settle is not None and not (isinstance(self.settle, int | float) and self.settle > 0):
            raise UserError(f"study.settle={self.settle}: it is a difference in the metric, above 0, or null")
        most = [] if self.most_seeds is None else [("most_seeds", self.seeds if isinstance(self.seeds, int) else 1)]
        for key, least in (("trials", 1), ("extend", 0), ("retries", 0), ("per_gpu", 1), *most):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UserError(f"study.{key}={value}: it is a whole number, at least {least}")
        if self.workers != "auto" and (not isinstance(self.workers, int) or self.workers < 1):
            raise UserError(f"study.workers={self.workers}: it is a whole number, at least 1, or auto")
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise UserError(f"study.seeds={self.seeds}: it is at least 1, or a list of seeds")
        if self.timeout is not None and self.timeout <= 0:
            raise UserError(f"study.timeout={self.timeout}: it is a number of seconds, or null")
        if (
            isinstance(self.storage_wait, bool)
            or not isinstance(self.storage_wait, int | float)
            or self.storage_wait < 0
        ):
            raise UserError(f"study.storage_wait={self.storage_wait}: it is a number of seconds")
        if self.metrics is not None and self.pruner != "none":
            raise UserError("study.metrics and study.pruner exclude each other: pruning needs a single metric")

    @property
    def objectives(self) -> tuple[tuple[str, str], ...]:
        """(metric, direction) of each objective; accuracy is maximised, everything else in `metrics` minimised."""
        if not self.metrics:
            return ((self.metric, self.direction),)
        return tuple((name, "maximize" if name.endswith("accuracy") else "minimize") for name in self.metrics)


def read_settings(node: Mapping[str, Any] | None) -> Settings:
    """Settings of a plain `study:` mapping.

    Raises:
        UserError: an unknown key, or a value outside its domain.
    """
    node = dict(node or {})
    known = {one.name for one in dataclasses.fields(Settings)}
    if unknown := sorted(set(node) - known):
        raise UserError(f"study.{unknown[0]}: no such key; the keys are {', '.join(sorted(known))}")
    for key in ("compared", "tuned", "fixed"):
        node[key] = node.get(key) or ({} if key == "compared" else ())
    node["fixed"] = tuple(node["fixed"])
    if node.get("metrics"):
        node["metrics"] = tuple(node["metrics"])
        node["metric"] = node["metrics"][0]
    settings = Settings(**node)
    if settings.metrics:
        return dataclasses.replace(settings, direction=settings.objectives[0][1])
    return settings
