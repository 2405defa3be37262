"""Where one value may be looked for: an interval, or a list of choices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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

    def edge(self, value: Any) -> str | None:
        """`low` or `high` if `value` lies at that end of the interval, else None."""
        if self.choices is not None or self.low is None or self.high is None or not self.contains(value):
            return None
        scale = math.log if self.log else float
        low, high, at = scale(self.low), scale(self.high), scale(value)
        margin = EDGE * (high - low)
        return "low" if at - low <= margin else "high" if high - at <= margin else None

    def grid(self, points: int) -> list[Any]:
        """At most `points` values spread evenly from end to end; all of the choices."""
        if self.choices is not None:
            return list(self.choices)
        if self.size <= points:
            return list(range(int(self.low or 0), int(self.high or 0) + 1))
        low, high = float(self.low or 0), float(self.high or 0)
        shares = [i / (points - 1) for i in range(points)] if points > 1 else [0.5]
        values = [low * (high / low) ** s if self.log else low + s * (high - low) for s in shares]
        values = [min(max(value, low), high) for value in values]
        return sorted({round(value) for value in values}) if self.whole else values

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def make_range(raw: Mapping[str, Any], where: str) -> Range:
    """A Range from plain values; raises UserError that names `where` for anything else."""
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}={override_text(raw)}: not a range; write {{low: 0.001, high: 1.0, log: true}}")
    try:
        choices = raw.get("choices")
        if choices is None:
            return Range(**raw)
        if not isinstance(choices, list | tuple):
            raise UserError("choices are a list")
        return Range(**{**raw, "choices": tuple({override_text(one): one for one in choices}.values())})
    except (TypeError, UserError) as error:
        raise UserError(f"{where}: not a range: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
