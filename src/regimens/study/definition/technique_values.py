"""Values of techniques (`optimizer.momentum=0.8`): which options have them, and what to type where none does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.errors import UserError, nearest
from regimens.study.definition.cell_ranges import MISSING, value_at
from regimens.study.definition.composer import FILE, Composed, Composer, Source, in_files, key_of, override_text
from regimens.study.definition.sweeps import parse

# Nodes of other libraries, which say themselves what they take, and of what trains nothing.
# What may be given as a share of the training, too: scheduler.s=80% (training/horizons.py).
SHARES = ("scheduler.s", "scheduler.patience", "scheduler.cooldown", "scheduler.warmup", "regularization.patience")
FOREIGN = ("trainer", "hydra", "tracking", "paths", "study")


def is_value(override: str) -> bool:
    """Whether an override sets (or adds) one value inside a group."""
    return re.match(r"\+{0,2}[\w]+(\.[\w-]+)+=", override) is not None


def missing(overrides: Iterable[str], cfg: DictConfig) -> list[str]:
    """Those plain overrides of single values whose key a configuration does not have."""
    plain = [one for one in overrides if is_value(one) and not one.startswith("+")]
    return [one for one in plain if value_at(cfg, key_of(one)) is MISSING]


def without_values(overrides: Iterable[str]) -> tuple[str, ...]:
    """What is left of overrides without those of single values: the options, and the top-level numbers."""
    return tuple(one for one in overrides if not is_value(one))


def base_of(shared: Sequence[str], composer: Composer) -> Composed:
    """The base regimen: what all cells share, but for values of techniques that only the cells have."""
    try:
        return composer.compose(shared)
    except UserError:
        foreign = missing(shared, composer.compose(without_values(shared)).cfg)
        if not foreign:
            raise
        return composer.compose(tuple(one for one in shared if one not in foreign))


def compose_cells(layers: Mapping[str, tuple[str, ...]], composer: Composer) -> dict[str, Composed]:
    """The configuration of each cell: label -> overrides in, label -> configuration out.

    Raises:
        UserError: Hydra cannot compose one; where a technique has no such value, with the command that works.
    """
    found = {}
    for label, overrides in layers.items():
        try:
            found[label] = composer.compose(overrides)
        except UserError as error:
            lacking = missing(overrides, composer.compose(without_values(overrides)).cfg)
            raise (UserError(explain(lacking[0], layers, composer)) if lacking else error) from None
        check_values(overrides, found[label], composer)
    return found


def explain(override: str, layers: Mapping[str, tuple[str, ...]], composer: Composer) -> str:
    """Why a value cannot be set in some cells, and what to type instead."""
    key = key_of(override)
    have = {}
    for label, overrides in layers.items():
        configuration = composer.compose(without_values(overrides)).cfg
        have[label] = value_at(configuration, key) is not MISSING
    lacking = [label for label, has in have.items() if not has]
    group = key.split(".")[0]
    if len(lacking) < len(have):
        having = [label for label, has in have.items() if has]
        return (
            f"{override}: no such value in {_some(lacking)}, but in {_some(having)}: leave the former out, or set it "
            f"where it is: 'study.compared={{{group}:{_mapping(override, layers, have)}}}'"
        )
    return f"{override}: no such value in {_some(lacking)}{elsewhere(key, composer.source, override)}"


def lacking_value(overrides: Sequence[str], composer: Composer) -> str:
    """Why there is no such value to set, and what to type instead; empty where there is all that is asked for."""
    plain = [text for text, one in zip(overrides, parse(overrides), strict=True) if not one.is_sweep_override()]
    composed = composer.compose(without_values(plain))
    lacking = missing(plain, composed.cfg)
    if not lacking:
        return ""
    key = key_of(lacking[0])
    group, _, _ = key.partition(".")
    if group in FOREIGN:
        parent = key.rpartition(".")[0]
        node = value_at(composed.cfg, parent)
        known = [f"{parent}.{name}" for name in node] if isinstance(node, Mapping) else []
        return f"{lacking[0]}: no such key{nearest(key, known)}" if known else ""
    option = f"{group}={composed.choices[group]}" if group in composed.choices else group
    return f"{lacking[0]}: {option} has no such value{elsewhere(key, composer.source, lacking[0], several=False)}"


def elsewhere(key: str, source: Source, override: str = "", *, several: bool = True) -> str:
    """Where a value is that a configuration does not have: the end of a message, with what to type.

    `several` options can be given in a study, one in a single trial.
    """
    group, _, rest = key.partition(".")
    files = catalogue(group, source)
    options = [name for name, node in files.items() if _at(node, rest)]
    if options:
        value = f" {override}" if override else ""
        typed = ",".join(options) if several else options[0]
        there = _some([f"{group}={one}" for one in options])
        return f"; {there} {'has' if len(options) == 1 else 'have'} it: {group}={typed}{value}"
    known = {f"{group}.{name}" for node in files.values() for name in node if not name.startswith("_")}
    return nearest(key, known - {f"{group}.{name}" for name in ("tune", "defaults", "name")}) if known else ""


def catalogue(group: str, source: Source) -> dict[str, Mapping[str, Any]]:
    """Option -> its file's own keys, of a group, wherever Hydra looks for configuration files."""
    import yaml

    found = {}
    for folder in folders(source):
        for path in sorted((folder / group).glob("*.yaml")):
            try:
                node = yaml.safe_load(path.read_text())
            except (OSError, yaml.YAMLError):  # Hydra says what is wrong with it, if it is asked for
                continue
            found[path.stem] = node if isinstance(node, Mapping) else {}
    return found


def folders(source: Source) -> list[Path]:
    """Where configuration files lie."""
    return [Path(place.removeprefix(FILE)) for place in source.search_path if in_files(place)]


def check_values(overrides: Iterable[str], composed: Composed, composer: Composer) -> None:
    """Raise UserError for a value of another kind than its technique's file has: a word for a number, say."""
    values = [one for one in overrides if is_value(one) and key_of(one).split(".")[0] not in FOREIGN]
    if not values:
        return
    options = composer.compose(without_values(overrides)).cfg
    for override in values:
        key = key_of(override)
        default, given = value_at(options, key), parse([override])[0].value()
        if default is MISSING:
            _check_added(override, composed.cfg)
        elif key in SHARES and isinstance(given, str) and given.endswith("%"):
            continue
        elif key.startswith("data.") and isinstance(default, list) and isinstance(given, str):
            continue  # the readers of data take a single word as a list of it: data.drop=patient
        elif (wanted := _wanted(default)) and not _fits(default, given):
            raise UserError(f"{override}: must be {wanted}, as the {override_text(default)} that it replaces")


def _check_added(override: str, cfg: DictConfig) -> None:
    """Refuse a key that was added to a node whose target does not take it, now rather than in each trial."""
    from regimens.core.build import check
    from regimens.core.plugins import permit

    permit(cfg.get("plugins") and OmegaConf.to_container(cfg.plugins))
    group = key_of(override).split(".")[0]
    node: Any = (
        OmegaConf.to_container(cfg[group], resolve=True) if group in cfg and OmegaConf.is_config(cfg[group]) else None
    )
    if isinstance(node, Mapping) and "_target_" in node and group != "data":
        check(node)


def _wanted(default: Any) -> str:
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int | float):
        return "a number"
    if isinstance(default, list):
        return "a list"
    return "a group of values" if isinstance(default, Mapping) else ""


def _fits(default: Any, given: Any) -> bool:
    if given is None or (isinstance(given, str) and "${" in given):
        return True
    if isinstance(default, bool) or isinstance(given, bool):
        return isinstance(default, bool) and isinstance(given, bool)
    kinds: Any = int | float if isinstance(default, int | float) else list if isinstance(default, list) else Mapping
    return isinstance(given, kinds)


def _at(node: Any, path: str) -> bool:
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def _some(labels: Sequence[str]) -> str:
    """Labels as words; of many, the first three."""
    return ", ".join(labels) if len(labels) < 5 else f"{', '.join(labels[:3])} and {len(labels) - 3} more"


def _mapping(override: str, layers: Mapping[str, tuple[str, ...]], have: Mapping[str, bool]) -> str:
    """The options of a group as an axis of named overrides, the value beside those that have it."""
    group = key_of(override).split(".")[0]
    parts = {}
    for label, overrides in layers.items():
        choice = next((one for one in reversed(overrides) if key_of(one) == group), None)
        if choice is not None:
            name = choice.partition("=")[2]
            parts[name] = f'{name}:["{choice}"' + (f',"{override}"]' if have[label] else "]")
    return "{" + ",".join(parts.values()) + "}"
