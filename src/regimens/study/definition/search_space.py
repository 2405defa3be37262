"""What is tuned: the ranges that techniques declare, and the lists of values drawn from them."""

from __future__ import annotations

import fnmatch
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.errors import UserError
from regimens.study.definition.samplers import make_sampler

EDGE = 0.02  # a best value within this share of its range's length from an end is flagged


@dataclass(frozen=True)
class Range:
    """Where one value may be looked for: an interval (`log` or not, whole numbers or not) or a list of choices."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None
    #: the technique makes sense between these, beyond which tuning does not extend the range; null: no such bound.
    #: Where they are not given, a range with `log` may be extended and another one may not.
    limits: tuple[float | None, float | None] | None = None

    def __post_init__(self) -> None:
        if self.choices is not None:
            return
        if self.low is None or self.high is None or self.low >= self.high or (self.log and self.low <= 0):
            raise UserError(f"range {self.low}..{self.high}: low must be below high, and above 0 where log is true")

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def distribution(self) -> Any:
        """Optuna's word for it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        if self.whole:
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(float(self.low or 0), float(self.high or 0), log=self.log)

    def contains(self, value: Any) -> bool:
        """Whether `value` lies in it."""
        if self.choices is not None:
            return value in self.choices
        if not isinstance(value, int | float) or isinstance(value, bool) or self.low is None or self.high is None:
            return False
        return self.low <= value <= self.high

    def including(self, value: Any) -> Range:
        """This range, widened so that it holds a number."""
        if self.choices is not None or not isinstance(value, int | float) or self.low is None or self.high is None:
            return self
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def edge(self, value: Any) -> str | None:
        """`low` or `high` if `value` lies at that end of the interval, else None."""
        if self.choices is not None or self.low is None or self.high is None or not self.contains(value):
            return None
        scale = math.log if self.log else float
        low, high, at = scale(self.low), scale(self.high), scale(value)
        margin = EDGE * (high - low)
        return "low" if at - low <= margin else "high" if high - at <= margin else None

    def grid(self, points: int) -> list[Any]:
        """At most `points` values spread evenly from end to end, in the logarithm where `log`."""
        if self.choices is not None:
            return list(self.choices)
        low, high = self.coordinate(self.low), self.coordinate(self.high)
        shares = [i / (points - 1) for i in range(points)] if points > 1 else [0.5]
        return self._values(low + share * (high - low) for share in shares)

    def beyond(self, tried: Sequence[Any], end: int, points: int) -> list[Any]:
        """`points` more values beyond the lowest (`end` -1) or highest (1) one tried, as far apart as those nearest.

        None beyond the technique's limits.
        """
        at = sorted(self.coordinate(value) for value in tried)
        step = (at[1] - at[0] if end < 0 else at[-1] - at[-2]) if len(at) > 1 else 1.0
        last = at[0] if end < 0 else at[-1]
        values = self._values(last + end * step * (number + 1) for number in range(points))
        return [value for value in values if self._allowed(value) and value not in tried]

    def coordinate(self, value: Any) -> float:
        """Where a value lies on the axis along which it is searched: its decimal logarithm where `log`.

        A choice lies at its place in the list.
        """
        if self.choices is not None:
            return float(self.choices.index(value))
        return math.log10(value) if self.log else float(value)

    def value(self, coordinate: float) -> Any:
        """The value at a coordinate, to four digits."""
        if self.choices is not None:
            return self.choices[round(coordinate)]
        (found,) = self._values([coordinate])
        return found

    def _values(self, coordinates: Iterable[float]) -> list[Any]:
        values = [float(f"{10**at if self.log else at:.4g}") for at in coordinates]
        return (
            sorted({max(1, round(value)) if self.log else round(value) for value in values}) if self.whole else values
        )

    def _allowed(self, value: float) -> bool:
        if self.limits is None:
            return self.log
        low, high = self.limits
        return (low is None or value >= low) and (high is None or value <= high)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def make_range(raw: Mapping[str, Any], where: str) -> Range:
    """A Range from plain values; raises UserError that names `where` for anything else."""
    raw = dict(raw)
    try:
        lists = {key: tuple(raw[key]) for key in ("choices", "limits") if raw.get(key) is not None}
        return Range(**{**raw, **lists})
    except (TypeError, UserError) as error:
        raise UserError(f"{where}: not a range: {error}") from None


def declared(cfg: DictConfig) -> dict[str, Range]:
    """Path -> range of everything that the techniques in a configuration say can be tuned (their `tune:` keys)."""
    return dict(_declared(cfg, ""))


def _declared(node: DictConfig, prefix: str) -> Iterator[tuple[str, Range]]:
    for key in node:
        if OmegaConf.is_missing(node, key):
            continue
        if OmegaConf.is_interpolation(node, str(key)) or not isinstance(child := node[key], DictConfig):
            continue
        if key == "tune" and prefix:
            ranges: dict[str, Any] = OmegaConf.to_container(child, resolve=True)  # type: ignore[assignment]
            for name, raw in ranges.items():
                yield f"{prefix}.{name}", make_range(raw, f"{prefix}.tune.{name}")
        elif key != "study":
            yield from _declared(child, f"{prefix}.{key!s}" if prefix else str(key))


def ranges_for(cfg: DictConfig, tuned: Iterable[str] | Mapping[str, Any]) -> dict[str, Range]:
    """The ranges of `tuned` in one cell.

    `tuned` holds paths (`optimizer.lr`), patterns (`optimizer.*`), last parts (`lr`) of what the cell's techniques
    declare, or maps a path to a range of its own. What the cell's techniques do not have is not tuned there.
    """
    if isinstance(tuned, Mapping):
        explicit = {path: make_range(raw, f"study.tuned.{path}") for path, raw in tuned.items() if raw is not None}
        wanted = [path for path, raw in tuned.items() if raw is None]
    else:
        explicit, wanted = {}, list(tuned)
    found = {}
    if wanted:
        for path, one in declared(cfg).items():
            last = path.rsplit(".", 1)[1]
            if any(pattern == last or fnmatch.fnmatchcase(path, pattern) for pattern in wanted):
                found[path] = one
    return found | explicit


def defaults_for(cfg: DictConfig, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The values that the configuration itself has at the tuned paths."""
    missing = object()
    values = {path: OmegaConf.select(cfg, path, default=missing) for path in ranges}
    for path, value in values.items():
        if value is missing:
            raise UserError(f"{path}: tuned, but the configuration has no such key")
    return values


def draw(ranges: Mapping[str, Range], default: Mapping[str, Any], sampler: str, count: int, seed: int) -> list[Any]:
    """`count` points of a space, the default first; the same list for the same arguments, whoever asks and when."""
    if not ranges:
        return [{}]
    first = [dict(default)]
    import optuna

    distributions = {path: one.distribution() for path, one in ranges.items()}
    study = optuna.create_study(sampler=make_sampler(sampler, seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # the sampler spends its first draw on a point of no structure; the default takes that place
        for _ in range(count):
            study.tell(trial := study.ask(distributions), 0.0)
            first.append(dict(trial.params))
    return [first[0], *first[2:]]
