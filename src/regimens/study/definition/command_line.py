"""What a command line says about a study: which overrides are axes, which are settings, which every cell shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from regimens.core.errors import UserError
from regimens.study.definition.composer import key_of, override_text

# What says who trains, where and when, but not what; `hydra` and `paths` with all that is below them.
ASIDE = {
    *("hydra", "paths", "tracking", "study.workers", "study.per_gpu", "study.storage", "study.timeout"),
    *("study.retries", "study.recover", "study.retry_failed", "study.storage_wait"),
}


@dataclass
class CommandLine:
    """The overrides of one command, sorted by what they mean."""

    #: axis -> values; choice and range sweeps
    compared: dict[str, list[Any]] = field(default_factory=dict)
    #: path -> plain range; interval sweeps, and choices tagged `tune`
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: everything else, as it was written
    fixed: list[str] = field(default_factory=list)
    #: `seed=1,2,3`: replications rather than an axis
    seeds: list[int] | None = None
    #: what was written, but for what is no part of the question
    asked: tuple[str, ...] = ()


def read_command_line(overrides: Iterable[str]) -> CommandLine:
    """Sort parsed overrides.

    Raises:
        UserError: a sweep over a setting of the study or over a deletion.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise UserError(" ".join(str(error).split())) from None
    line = CommandLine(asked=tuple(one.input_line or "" for one in parsed if not _aside(key_of(one.get_key_element()))))
    for override in parsed:
        key = override.get_key_element()
        if not override.is_sweep_override():
            line.fixed.append(override.input_line or key)
        elif key_of(key).split(".")[0] in ("study", "scale", "tune"):
            raise UserError(f"{override.input_line}: a setting of the study cannot be swept; for a list write [a,b]")
        elif override.is_interval_sweep():
            line.tuned[key_of(key)] = _interval(override.value())
        elif "tune" in override.value().tags:  # type: ignore[union-attr]
            line.tuned[key_of(key)] = {"choices": list(_values(override))}
        elif key == "seed":
            line.seeds = [int(value) for value in _values(override)]
        else:
            line.compared[key] = list(_values(override))
    return line


def _aside(key: str) -> bool:
    return key in ASIDE or key.replace("/", ".").split(".")[0] in ASIDE


def _values(override: Any) -> list[Any]:
    from hydra.core.override_parser.types import Override, QuotedString
    from hydra.errors import HydraException

    try:
        values = list(override.sweep_iterator())
    except HydraException as error:
        raise UserError(" ".join(str(error).split())) from None
    return [value.text if isinstance(value, QuotedString) else Override._convert_value(value) for value in values]


def _interval(sweep: Any) -> dict[str, Any]:
    return {"low": sweep.start, "high": sweep.end, "log": "log" in sweep.tags}


def options(axis: str, values: Any) -> dict[str, tuple[str, ...]]:
    """Label -> overrides of each value of an axis.

    A list holds values of the key that the axis names; a mapping gives a name to overrides of several keys, and null
    takes a name off again (a smaller scale, say, cannot delete what a study declares).
    """
    if isinstance(values, Mapping):
        return {str(name): tuple(overrides) for name, overrides in values.items() if overrides is not None}
    if not isinstance(values, list | tuple) or not values:
        raise UserError(f"study.compared.{axis}: a list of values, or a mapping from names to overrides")
    return {_label(value): (f"{axis}={override_text(value)}",) for value in values}


def _label(value: Any) -> str:
    return value if isinstance(value, str) else override_text(value)


def tuned_of(command: Mapping[str, Any], declared: Any, shorthand: Any) -> dict[str, Any]:
    """The tuned paths of study file (`tuned`), `tune=lr` and interval sweeps as one mapping: path -> range or None."""
    tuned: dict[str, Any] = {}
    if isinstance(declared, Mapping):
        tuned.update(declared)
    else:
        tuned.update(dict.fromkeys(_words(declared)))
    tuned.update(dict.fromkeys(_words(shorthand)))
    tuned.update(command)
    return tuned


def _words(value: Any) -> list[str]:
    if not value:
        return []
    return value.split(",") if isinstance(value, str) else [str(one) for one in value]
