"""Hydra's face of `regimens.study`: `-m` runs a study. Hydra imports this at every start, so it stays light."""

from hydra_plugins.regimens_sweeper.sweeper import RegimensSweeper

__all__ = ["RegimensSweeper"]
