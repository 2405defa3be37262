"""Horizons: how far a schedule or a patience reaches, in its own unit, or as a share of the training: "80%"."""

import math
import re
from typing import Any

from regimens.core.errors import UserError
from regimens.training import checks

Horizon = float | str
# A time constant may be longer than the training; what happens at one moment of it, or lasts, may not.
LONG, WITHIN = 1000.0, 100.0


def is_share(value: Any) -> bool:
    """Whether a value is written as a share."""
    return isinstance(value, str) and value.endswith("%")


def share(key: str, value: str, most: float = WITHIN) -> float:
    """The percentage that is written; raises UserError unless it is a number above 0 and at most `most`."""
    number = value.removesuffix("%").strip()
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number) or not 0 < float(number) <= most:
        raise UserError(f"{key}={value}: as a share of the training it must be above 0% and at most {most:g}%")
    return float(number)


def horizon(key: str, value: Horizon, total: float, most: float = WITHIN) -> float:
    """`value`, or its share of `total`; raises UserError where it is neither a number above 0 nor such a share."""
    if is_share(value):
        return share(key, str(value), most) * total / 100
    if isinstance(value, str):
        raise UserError(f"{key}={value}: must be a number greater than 0, or a share of the training such as 80%")
    checks.positive(key, value)
    return value


def whole(key: str, value: int | str, total: int) -> int:
    """`value`, or its share of `total`, rounded up; raises UserError where it is no whole number, 0 or more."""
    if is_share(value):
        # Rounded first, since a product may be a whole number but for its last bits.
        return math.ceil(round(share(key, str(value)) * total / 100, 9))
    if isinstance(value, str):
        raise UserError(f"{key}={value}: must be a whole number, 0 or more, or a share of the training such as 20%")
    checks.whole(key, value)
    return value
