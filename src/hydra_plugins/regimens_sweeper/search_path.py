"""Lets Hydra find a project's own `conf/`: where the working directory has one, it is searched last."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class OwnConf(SearchPathPlugin):
    """Adds `conf/` of the working directory, unless that is Regimens' own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra whenever it composes."""
        from regimens.catalogue import own
        from regimens.cli import CONF

        if (place := own(CONF)) is not None:
            search_path.append(provider="own", path=f"file://{place}")
