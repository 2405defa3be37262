"""What is tuned in one cell: the ranges that its techniques declare or a study brings, as its own values have them."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.errors import UserError
from regimens.study.definition.composer import override_text
from regimens.study.definition.search_space import Range, make_range

MISSING = object()
WHOLE = ("epochs", "batch_size", "threads")


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
    """The ranges of `tuned` in one cell, as its own values have them: whole numbers where those are.

    `tuned` holds paths (`optimizer.lr`), patterns (`optimizer.*`), last parts (`lr`) of what the cell's techniques
    declare, or maps a path to a range of its own. What the cell's configuration does not have is not tuned there.

    Raises:
        UserError: something that is no range, or no single value.
    """
    raws = tuned if isinstance(tuned, Mapping) else dict.fromkeys(tuned)
    explicit = {path: make_range(raw, f"study.tuned.{path}") for path, raw in raws.items() if raw is not None}
    wanted = [path for path, raw in raws.items() if raw is None]
    found = {path: one for path, one in declared(cfg).items() if is_wanted(path, wanted)} if wanted else {}
    values = {path: value_at(cfg, path) for path in found | explicit}
    here = {path: one for path, one in (found | explicit).items() if path in found or values[path] is not MISSING}
    return {path: fitted(one, values[path], path) for path, one in here.items()}


def is_wanted(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` is the path itself, a pattern of it, or its last part."""
    last = path.rsplit(".", 1)[-1]
    return any(pattern == last or fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def value_at(cfg: DictConfig, path: str) -> Any:
    """The plain value at a path, MISSING where the configuration has no such key."""
    parent, _, last = path.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    if not isinstance(node, DictConfig) or last not in node:
        return MISSING
    value = node[last]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def fitted(one: Range, value: Any, path: str) -> Range:
    """A range as the configuration's own value has it: whole numbers are drawn for a whole number, else fractions."""
    if value is MISSING:
        raise UserError(f"{path}: tuned, but the configuration has no such key")
    if isinstance(value, Mapping):
        raise UserError(
            f"{path}: it is a group, whose options are compared ({path}=one,other) or, with study.mode=search, "
            "searched together; only its values can be tuned"
        )
    if one.choices is not None:
        return one
    if isinstance(value, bool | str | list):
        raise UserError(f"{path}: an interval, where the configuration has {override_text(value)}; give choices")
    assert one.low is not None and one.high is not None
    integral = float(one.low).is_integer() and float(one.high).is_integer()
    # What is null may be a number of things or not; `interval(0,1)` is more likely to mean a share.
    if integral and (isinstance(value, int) or (value is None and one.high - one.low > 1)):
        return dataclasses.replace(one, low=int(one.low), high=int(one.high))
    if path in WHOLE:
        raise UserError(f"{path}: {one.low:g}..{one.high:g} are no whole numbers: write int(interval(16,128))")
    return dataclasses.replace(one, low=float(one.low), high=float(one.high))


def defaults_for(cfg: DictConfig, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The values that the configuration itself has at the tuned paths, as plain ones."""
    return {path: value_at(cfg, path) for path in ranges}
