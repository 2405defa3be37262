"""Composing regimens: overrides in, a configuration out, through Hydra; and what workers need, which is without it."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from regimens.core.errors import UserError
from regimens.study.definition.read_once import ReadOnce
from regimens.trial.regimen import regimen_of

FILE = "file://"
STUDY = "study"


@dataclass(frozen=True)
class Source:
    """What it takes to compose the same configuration again; plain values only."""

    config_name: str
    #: the places where Hydra looks for configuration, the primary one first: file://... or pkg://...
    search_path: tuple[str, ...]
    #: the overrides of the `hydra` node, which every composition shares
    hydra_overrides: tuple[str, ...] = ()

    def copy_to(self, directory: Path) -> Source:
        """A source of the same files as they are now, copied into `directory`."""
        places = []
        for number, place in enumerate(self.search_path):
            target = directory / str(number)
            if in_files(place):
                shutil.copytree(place.removeprefix(FILE), target, dirs_exist_ok=True)
                place = f"{FILE}{target}"
            places.append(place)
        return replace(self, search_path=tuple(places))

    def inside(self, directory: Path) -> Source:
        """The source that `copy_to(directory)` gave, wherever that directory is now."""
        places = (
            f"{FILE}{directory / str(number)}" if in_files(place) else place
            for number, place in enumerate(self.search_path)
        )
        return replace(self, search_path=tuple(places))


def in_files(place: str) -> bool:
    """Whether a place of Hydra's search path is a directory rather than a package."""
    return place.startswith(FILE) or "://" not in place


@dataclass(frozen=True)
class Composed:
    """One composed configuration without its `hydra` node, and which option each group took.

    Its `study` node, which may name a hundred cells, is not what a trial is made of, and left out of what trials get.
    """

    cfg: DictConfig
    choices: Mapping[str, str]

    @cached_property
    def plain(self) -> dict[str, Any]:
        """As plain values with every interpolation resolved; treat it as read-only."""
        return resolved(self.cfg)

    @property
    def regimen(self) -> dict[str, Any]:
        """The resolved regimen, as plain values."""
        return regimen_of(self.plain)

    def with_values(self, values: Mapping[str, Any]) -> Composed:
        """A fresh configuration with plain values set at their paths."""
        cfg = copy.deepcopy(self.cfg)
        with open_dict(cfg):
            for path, value in values.items():
                OmegaConf.update(cfg, path, value, merge=False)
        return Composed(cfg, self.choices)

    def resolved_with(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`with_values`, as plain values with every interpolation resolved.

        To resolve a configuration takes ten milliseconds, too long for each of thousands of trials: where no
        interpolation can depend on what is set, that is done once for all of them.
        """
        names = {part for path in values for part in path.split(".")}
        if not names & self._interpolated and not any("${" in str(value) for value in values.values()):
            found = copy.deepcopy(self.plain)
            if all(_set(found, path, value) for path, value in values.items()):
                return found
        return resolved(self.with_values(values).cfg)

    @cached_property
    def _interpolated(self) -> set[str]:
        """The words in texts that hold an interpolation."""
        told = json.dumps(self._unresolved)
        texts = re.findall(r'"((?:[^"\\]|\\.)*\$\{(?:[^"\\]|\\.)*)"', told)
        return {word for text in texts for word in re.findall(r"\w+", text)}

    def to_text(self) -> str:
        """The configuration as JSON with its interpolations unresolved; Infinity and NaN as Python writes them.

        But for the name, which has the time of day in it: only Hydra can tell that, and workers do without Hydra.
        """
        told = self._unresolved
        return json.dumps({**told, "name": str(self.cfg.name)} if "name" in told else told)

    @property
    def _unresolved(self) -> dict[str, Any]:
        told: Any = OmegaConf.to_container(self.cfg, resolve=False)
        return {key: value for key, value in told.items() if key != STUDY}

    @classmethod
    def from_text(cls, text: str, choices: Mapping[str, str]) -> Composed:
        """What `to_text` wrote."""
        return cls(OmegaConf.create(json.loads(text)), choices)


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """As plain values with every interpolation resolved, without the `study` node."""
    return {str(key): _value(cfg[key]) for key in cfg if key != STUDY}


def _value(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _set(node: Any, path: str, value: Any) -> bool:
    """Set a value in nested mappings; whether the path leads through nothing else."""
    *parents, last = path.split(".")
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node[last] = copy.deepcopy(value)
    return isinstance(node, dict)


@dataclass
class Composer:
    """Composes, and remembers: one composition takes longer than a small trial.

    Configurations that take the same option of every group differ in values alone, so Hydra reads the files once for
    all of them, and each then gets its values as Hydra gives them.
    """

    source: Source
    _cache: dict[tuple[str, ...], Composed] = field(default_factory=dict)
    _files: ReadOnce | None = None

    def compose(self, overrides: Iterable[str]) -> Composed:
        """The configuration for these overrides; treat it as read-only.

        Raises:
            UserError: Hydra cannot compose them; the message says why.
        """
        key = tuple(overrides)
        if key not in self._cache:
            self._cache[key] = self._compose(key)
        return self._cache[key]

    def options(self, group: str) -> list[str]:
        """The options of a config group, sorted; empty where there is no such group."""
        with self._hydra() as loader:
            return sorted(loader.get_group_options(group))

    def _compose(self, overrides: tuple[str, ...]) -> Composed:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        try:
            with self._hydra() as loader:
                groups, values = _apart(loader, overrides)
                if not values:
                    return self._read(overrides)
                base = self.compose(groups)
                cfg = copy.deepcopy(base.cfg)
                # Private to Hydra (pinned <1.4), and tested against composing anew, which takes ten times as long.
                loader._apply_overrides_to_config(values, cfg)
        except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
            raise UserError(f"{' '.join(overrides)}: {_story(error)}") from error
        return Composed(cfg, base.choices)

    def _read(self, overrides: tuple[str, ...]) -> Composed:
        from hydra import compose

        cfg = compose(self.source.config_name, [*self.source.hydra_overrides, *overrides], return_hydra_config=True)
        choices = {
            str(group): str(option)
            for group, option in cfg.hydra.runtime.choices.items()
            if not str(group).startswith("hydra/") and option is not None
        }
        with open_dict(cfg):
            del cfg["hydra"]
        return Composed(cfg, choices)

    @contextmanager
    def _hydra(self) -> Iterator[Any]:
        """Hydra's loader over the source's places, with Hydra's own state as it was before and after."""
        from hydra import initialize_config_dir
        from hydra.core.global_hydra import GlobalHydra

        first, *others = self.source.search_path
        running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
        try:
            with initialize_config_dir(first.removeprefix(FILE), version_base="1.3"):
                loader: Any = GlobalHydra.instance().config_loader()
                search_path = loader.get_search_path()
                for place in others:
                    if all(one.path != place for one in search_path.get_path()):
                        search_path.append(provider="command line", path=place)
                self._files = loader.repository = self._files or ReadOnce(loader.repository)
                yield loader
        finally:
            GlobalHydra.instance().hydra = running


def _apart(loader: Any, overrides: tuple[str, ...]) -> tuple[tuple[str, ...], list[Any]]:
    """The overrides that choose an option of a group, and those, parsed, that set values; told apart as Hydra does.

    A value under `hydra` stays with the groups, since no composed configuration here has that node.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    groups, values = [], []
    for text, parsed in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
        group = loader.repository.group_exists(parsed.key_or_group) and not isinstance(parsed.value(), dict)
        if group or parsed.is_hydra_override():
            groups.append(text)
        else:
            values.append(parsed)
    return tuple(groups), values


def override_text(value: Any) -> str:
    """A plain value as the right-hand side of a Hydra override."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{override_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(override_text(item) for item in value) + "]"
    text = str(value)
    if re.fullmatch(r"[A-Za-z_][\w./-]*", text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def key_of(override: str) -> str:
    """The key that an override sets, without `+`, `++`, `~` and the value."""
    return override.split("=", 1)[0].lstrip("+~")


def merge(*layers: Iterable[str]) -> tuple[str, ...]:
    """Overrides of several layers as one list in which a later layer replaces an earlier one's key.

    What an earlier one adds (`+key=1`) is there to be set, so the later one adds it in its place.
    """
    merged: dict[str, str] = {}
    for layer in layers:
        for override in layer:
            key = key_of(override)
            earlier = merged.pop(key, "")
            adds = earlier.startswith("+") and not override.startswith(("+", "~"))
            merged[key] = earlier[: len(earlier) - len(earlier.lstrip("+"))] + override if adds else override
    return tuple(merged.values())


def _story(error: BaseException) -> str:
    """Hydra's own words and its cause's, on one line."""
    words = [" ".join(str(error).split())]
    cause = error.__cause__
    while cause is not None:
        words.append(" ".join(str(cause).split()))
        cause = cause.__cause__
    return ": ".join(word for word in words if word) or type(error).__name__
