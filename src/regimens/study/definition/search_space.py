"""Where one value may be looked for: an interval, or a list of choices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from regimens.core.errors import UserError
from regimens.study.definition.composer import override_text

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
            if not self.choices or self.low is not None or self.high is not None or self.log:
                raise UserError("choices: a list of at least one value, and no low, high or log beside it")
            return
        if not (_is_number(self.low) and _is_number(self.high) and isinstance(self.log, bool)):
            raise UserError(f"range {self.low}..{self.high}: low and high are numbers, and log is true or false")
        if self.low >= self.high or (self.log and self.low <= 0):  # type: ignore[operator]
            raise UserError(f"range {self.low}..{self.high}: low must be below high, and above 0 where log is true")

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def size(self) -> float:
        """How many points it has; infinity for an interval of fractions."""
        if self.choices is not None:
            return len(self.choices)
        return self.high - self.low + 1 if self.whole else math.inf  # type: ignore[operator]

    @property
    def known(self) -> Range:
        """Itself as Optuna can keep it: choices that are lists or mappings go by their text (see `encode`)."""
        if self.choices is None or all(isinstance(one, bool | int | float | str | None) for one in self.choices):
            return self
        return Range(choices=tuple(override_text(one) for one in self.choices))

    def encode(self, value: Any) -> Any:
        """A value as `known` has it."""
        return value if self.known is self else override_text(value)

    def decode(self, value: Any) -> Any:
        """What `encode` made this of; a value that it never saw stays what it is."""
        if self.choices is None or self.known is self:
            return value
        return next((one for one in self.choices if override_text(one) == value), value)

    def distribution(self) -> Any:
        """Optuna's word for it; that of `known`, where they differ."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices is not None:
            return CategoricalDistribution(self.known.choices or ())
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
        """At most `points` values spread evenly from end to end, in the logarithm where `log`; all of the choices."""
        if self.choices is not None:
            return list(self.choices)
        if self.size <= points:
            return list(range(int(self.low or 0), int(self.high or 0) + 1))
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

    def between(self, tried: Sequence[Any], best: Any) -> list[Any]:
        """The values half-way between `best` and its neighbours in `tried`; none where no value lies there."""
        at, here = sorted(self.coordinate(value) for value in tried), self.coordinate(best)
        near = [*[x for x in at if x < here][-1:], *[x for x in at if x > here][:1]]
        return [value for value in self._values((here + x) / 2 for x in near) if value not in tried]

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
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}={override_text(raw)}: not a range; write {{low: 0.001, high: 1.0, log: true}}")
    try:
        limits = {"limits": tuple(raw["limits"])} if raw.get("limits") is not None else {}
        choices = raw.get("choices")
        if choices is None:
            return Range(**{**raw, **limits})
        if not isinstance(choices, list | tuple):
            raise UserError("choices are a list")
        return Range(**{**raw, "choices": tuple({override_text(one): one for one in choices}.values())})
    except (TypeError, UserError) as error:
        raise UserError(f"{where}: not a range: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
