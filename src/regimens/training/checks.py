"""Check that a setting is a number in its range; otherwise raise a UserError that names its key."""

import math
from typing import Any

from regimens.core.errors import UserError


def positive(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a finite number greater than 0."""
    _require(_is_number(value) and 0 < value < math.inf, key, value, "must be a number greater than 0")


def not_negative(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a finite number, 0 or more."""
    _require(_is_number(value) and 0 <= value < math.inf, key, value, "must be a number, 0 or more")


def share(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a number in [0, 1)."""
    _require(_is_number(value) and 0 <= value < 1, key, value, "must be a number, at least 0 and less than 1")


def bound(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a number greater than 0; infinity is one."""
    _require(_is_number(value) and value > 0, key, value, "must be a number greater than 0, or .inf for none")


def whole(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a whole number, 0 or more."""
    _require(
        _is_number(value) and isinstance(value, int) and value >= 0, key, value, "must be a whole number, 0 or more"
    )


def count(key: str, value: Any) -> None:
    """Raise UserError unless `value` is a whole number, 1 or more."""
    _require(
        _is_number(value) and isinstance(value, int) and value >= 1, key, value, "must be a whole number, 1 or more"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(right: bool, key: str, value: Any, rule: str) -> None:
    if not right:
        raise UserError(f"{key}={value}: {rule}")
