"""The Hydra plugin through which `-m` runs a study. Hydra imports it at every start: no slow imports here."""

from hydra_plugins.regimens_sweeper.sweeper import RegimensSweeper

__all__ = ["RegimensSweeper"]
