"""Hydra's configuration files, each read once for all compositions: a third of a composition is reading YAML."""

from __future__ import annotations

import copy
from typing import Any


class ReadOnce:
    """A repository of Hydra's that remembers what it has loaded, and gives every composition a copy of its own."""

    def __init__(self, repository: Any, loaded: dict[tuple[str, ...], Any] | None = None) -> None:
        self._repository = repository
        #: path of a file, and the places that were searched for it -> the file, parsed
        self._loaded = {} if loaded is None else loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> ReadOnce:
        """For one composition, which may search other places: what has been loaded stays common."""
        return ReadOnce(copy.deepcopy(self._repository, memo), self._loaded)

    def load_config(self, config_path: str) -> Any:
        """The file, parsed; None where there is none."""
        key = config_path, *(str(source.path) for source in self._repository.get_sources())
        if key not in self._loaded:
            self._loaded[key] = self._repository.load_config(config_path=config_path)
        return copy.deepcopy(self._loaded[key])
