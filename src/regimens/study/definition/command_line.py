"""What a command line says about a study: which overrides are axes, which are settings, which every cell shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from regimens.core.errors import UserError
from regimens.study.definition.composer import key_of, override_text
from regimens.study.definition.sweeps import DECLARED, interval, parse, released, values_of

# What says who trains, where and when, but not what; `hydra` and `paths` with all that is below them.
ASIDE = {
    *("hydra", "paths", "tracking", "study.workers", "study.per_gpu", "study.storage", "study.timeout"),
    *("study.retries", "study.recover", "study.retry_failed", "study.storage_wait"),
}
# What a sweep cannot vary, and why not, by the first part of its key.
UNSWEPT = {
    **dict.fromkeys(("study", "scale", "tune"), "a setting of the study cannot be swept; for a list write [a,b]"),
    **dict.fromkeys(
        ("hydra", "paths", "tracking"), "where a study runs and what it writes to is one for all its cells"
    ),
    "name": "it names a single run, and changes nothing that is trained",
    "advice": "it changes nothing that is trained",
    "test": "the test set is read by a study's finals, and by nothing else",
}


@dataclass
class CommandLine:
    """The overrides of one command, sorted by what they mean; of a key given twice, the later one counts."""

    #: axis -> values, or label -> overrides where the key is to be added (`+key=1,2`); choice and range sweeps
    compared: dict[str, Any] = field(default_factory=dict)
    #: path -> plain range; interval sweeps, and choices tagged `tune`
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: everything else, as it was written
    fixed: list[str] = field(default_factory=list)
    #: `seed=1,2,3`: replications rather than an axis
    seeds: list[int] | None = None
    #: `study.tuned=...` and `study.compared=...`, by key: Hydra merges no list with a mapping, and adds no axis
    declared: dict[str, Any] = field(default_factory=dict)
    #: what was written, but for what is no part of the question
    asked: tuple[str, ...] = ()

    def given(self, key: str) -> str | None:
        """The plain override of a key as it was written, if there is one: the last."""
        return next((one for one in reversed(self.fixed) if key_of(one) == key), None)


def read_command_line(overrides: Iterable[str], loader: Any = None) -> CommandLine:
    """Sort overrides; `loader`, Hydra's, says which options `group=glob(...)` may take.

    Raises:
        UserError: what Hydra cannot read, a sweep that makes no sense, or a seed that is none.
    """
    parsed = parse([released(text) for text in overrides], loader)
    line = CommandLine(asked=tuple(one.input_line or "" for one in parsed if not _aside(key_of(one.get_key_element()))))
    for override in parsed:
        element = override.get_key_element()
        key = key_of(element)
        if override.is_sweep_override():
            _forget(line, key)
            _sort_sweep(line, override, element, key)
        else:
            for swept in (line.compared, line.tuned):
                swept.pop(key, None)
            if key == "seed":
                line.seeds = None
            if key in DECLARED:
                line.declared[key] = override.value() or []
            line.fixed.append(override.input_line or element)
    return line


def _forget(line: CommandLine, key: str) -> None:
    """Drop what was said of a key earlier on the command line."""
    line.compared.pop(key, None)
    line.tuned.pop(key, None)
    line.fixed = [one for one in line.fixed if key_of(one) != key]
    if key == "seed":
        line.seeds = None


def _sort_sweep(line: CommandLine, override: Any, element: str, key: str) -> None:
    text = override.input_line
    first = key.replace("/", ".").split(".")[0].split("@")[0]
    if element.startswith("~"):
        raise UserError(f"{text}: what is deleted cannot be swept")
    if first in UNSWEPT:
        raise UserError(f"{text}: {UNSWEPT[first]}")
    tuned = interval(override) if override.is_interval_sweep() else None
    if tuned is None and "tune" in getattr(override.value(), "tags", ()):
        tuned = {"choices": values_of(override)}
    if tuned is not None:
        if key == "seed":
            raise UserError(f"{text}: a seed is not tuned; for replications write study.seeds=5, or seed=1,2,3")
        line.tuned[key] = tuned
    elif key == "seed" and element != "+seed":
        line.seeds = _whole(values_of(override), str(text))
    else:
        values = values_of(override)
        prefix = element[: len(element) - len(key)]
        line.compared[key] = (
            {_label(value): [f"{prefix}{key}={override_text(value)}"] for value in values} if prefix else values
        )


def _whole(values: list[Any], text: str) -> list[int]:
    """Seeds, as they were written in `text`."""
    if not all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values):
        raise UserError(f"{text}: a seed is a whole number, 0 or more")
    if len(set(values)) < len(values):
        raise UserError(f"{text}: a seed is given twice, and would train the same bits again")
    return values


def _aside(key: str) -> bool:
    return key in ASIDE or key.replace("/", ".").split(".")[0] in ASIDE


def axes_of(line: CommandLine, declared: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The axes, each as label -> overrides: a study file's (`declared`), those of `study.compared=...`, the sweeps."""
    given = line.declared.get("study.compared") or {}
    if not isinstance(given, Mapping):
        raise UserError("study.compared: a mapping from axes to their values: {optimizer: [adam, nadam]}")
    axes = dict(declared)
    for axis, values in given.items():
        there = axes.get(axis)
        axes[axis] = {**there, **values} if isinstance(there, Mapping) and isinstance(values, Mapping) else values
    found = {str(axis): options(str(axis), values) for axis, values in {**axes, **line.compared}.items()}
    for override in line.fixed:
        found.pop(key_of(override), None)  # `optimizer=adam` narrows a declared axis to one value
    return found


def options(axis: str, values: Any) -> dict[str, tuple[str, ...]]:
    """Label -> overrides of each value of an axis.

    A list holds values of the key that the axis names; a mapping gives a name to overrides of several keys, and null
    takes a name off again (a smaller scale, say, cannot delete what a study declares).

    Raises:
        UserError: neither of the two, or values that a study sets for itself.
    """
    where = f"study.compared.{axis}"
    if isinstance(values, Mapping):
        found = {}
        for name, overrides in values.items():
            if overrides is None:
                continue
            if not isinstance(overrides, list | tuple) or not all(isinstance(one, str) for one in overrides):
                raise UserError(f"{where}.{name}: a list of overrides, such as [optimizer=adam,epochs=3]")
            found[str(name)] = tuple(overrides)
        if not found:
            raise UserError(f"{where}: no value is left")
        return found
    if not isinstance(values, list | tuple) or not values:
        raise UserError(f"{where}: a list of values, or a mapping from names to overrides")
    first = axis.replace("/", ".").split(".")[0]
    if first == "seed" or first in UNSWEPT:
        raise UserError(f"{where}: {UNSWEPT.get(first, 'seeds are replications: study.seeds=[1,2,3]')}")
    return {_label(value): (f"{axis}={override_text(value)}",) for value in values}


def _label(value: Any) -> str:
    return value if isinstance(value, str) else override_text(value)


def tuned_of(line: CommandLine, declared: Any, shorthand: Any) -> dict[str, Any]:
    """The tuned paths as one mapping, path -> range or None: a study file's (`declared`), `tune=lr` and the sweeps'."""
    given = line.declared.get("study.tuned")
    if isinstance(given, Mapping) and isinstance(declared, Mapping):  # as Hydra merges mappings
        given = {**declared, **given}
    named = declared if given is None else given
    tuned = dict(named) if isinstance(named, Mapping) else dict.fromkeys(_words(named, "study.tuned"))
    return {str(path): raw for path, raw in tuned.items()} | dict.fromkeys(_words(shorthand, "tune")) | line.tuned


def _words(value: Any, where: str) -> list[str]:
    if not value:
        return []
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise UserError(f"{where}={override_text(value)}: names of values, such as optimizer.lr, or lr")
    return [word.strip() for word in words]
