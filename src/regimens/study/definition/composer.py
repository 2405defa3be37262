"""Composing regimens through Hydra, in the parent and in any worker: overrides in, a configuration out."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from regimens.core.errors import UserError
from regimens.trial.regimen import plain, regimen_of


@dataclass(frozen=True)
class Source:
    """What it takes to compose the same configuration in another process; plain values only."""

    config_name: str
    #: (provider, path) of each place where Hydra looks for configuration
    search_path: tuple[tuple[str, str], ...]
    #: the overrides of the `hydra` node, which every composition shares
    hydra_overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Composed:
    """One composed configuration without its `hydra` node, and which option each group took."""

    cfg: DictConfig
    choices: Mapping[str, str]

    @property
    def regimen(self) -> dict[str, Any]:
        """The resolved regimen, as plain values."""
        return regimen_of(plain(self.cfg))


@dataclass
class Composer:
    """Composes, and remembers: one composition takes longer than a small trial.

    Configurations that take the same option of every group differ in values alone, so Hydra reads the files once for
    all of them, and each then gets its values as Hydra gives them.
    """

    source: Source
    _loader: Any = None
    _cache: dict[tuple[str, ...], Composed] = field(default_factory=dict)

    def compose(self, overrides: Iterable[str]) -> Composed:
        """The configuration for these overrides; treat it as read-only.

        Raises:
            UserError: Hydra cannot compose them; the message says why.
        """
        key = tuple(overrides)
        if key not in self._cache:
            self._cache[key] = self._compose(key)
        return self._cache[key]

    def with_values(self, overrides: Iterable[str], values: Mapping[str, Any]) -> Composed:
        """A fresh configuration for these overrides, with plain values then set at their paths."""
        composed = self.compose(overrides)
        cfg = copy.deepcopy(composed.cfg)
        with open_dict(cfg):
            for path, value in values.items():
                OmegaConf.update(cfg, path, value, merge=False)
        return Composed(cfg, composed.choices)

    def _compose(self, overrides: tuple[str, ...]) -> Composed:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        try:
            groups, values = self._apart(overrides)
            if not values:
                return self._read(overrides)
            base = self.compose(groups)
            cfg = copy.deepcopy(base.cfg)
            self._load()._apply_overrides_to_config(values, cfg)
        except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
            raise UserError(f"{' '.join(overrides)}: {_story(error)}") from error
        return Composed(cfg, base.choices)

    def _apart(self, overrides: tuple[str, ...]) -> tuple[tuple[str, ...], list[Any]]:
        """The overrides that choose an option of a group, and those, parsed, that set values; told apart as Hydra does.

        A value under `hydra` stays with the groups, since no composed configuration here has that node.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser

        exists = self._load().repository.group_exists
        groups, values = [], []
        for text, parsed in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
            group = exists(parsed.key_or_group) and not isinstance(parsed.value(), dict)
            if group or parsed.is_hydra_override():
                groups.append(text)
            else:
                values.append(parsed)
        return tuple(groups), values

    def _read(self, overrides: tuple[str, ...]) -> Composed:
        from hydra.types import RunMode

        cfg = self._load().load_configuration(
            config_name=self.source.config_name,
            overrides=[*self.source.hydra_overrides, *overrides],
            run_mode=RunMode.RUN,
        )
        choices = {
            str(group): str(option)
            for group, option in cfg.hydra.runtime.choices.items()
            if not str(group).startswith("hydra/") and option is not None
        }
        with open_dict(cfg):
            del cfg["hydra"]
        return Composed(cfg, choices)

    def _load(self) -> Any:
        if self._loader is None:
            from hydra._internal.config_loader_impl import ConfigLoaderImpl
            from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
            from hydra.core.plugins import Plugins
            from hydra.core.utils import setup_globals

            Plugins.instance()
            setup_globals()
            search_path = ConfigSearchPathImpl()
            for provider, path in self.source.search_path:
                search_path.append(provider=provider, path=path)
            self._loader = ConfigLoaderImpl(config_search_path=search_path)
        return self._loader


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
