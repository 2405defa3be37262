"""The sweeper plugin: passes the command line to `regimens.study.run_study`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class RegimensSweeperConf:
    """`hydra.sweeper`: the module that runs trials (a `TrialRunner`). Settings of a study are under `study`."""

    _target_: str = "hydra_plugins.regimens_sweeper.sweeper.RegimensSweeper"
    run_trial: str = "regimens.trial"


ConfigStore.instance().store(
    group="hydra/sweeper", name="regimens", node=RegimensSweeperConf, provider="regimens_sweeper"
)


class RegimensSweeper(Sweeper):
    """Choice sweeps span a grid of cells, interval sweeps are tuned inside each: see `regimens.study`."""

    def __init__(self, run_trial: str) -> None:
        self.run_trial = run_trial
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Store Hydra's context and configuration; workers call `run_trial` instead of the script's task function."""
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the study of this command line to its end; raises SystemExit with the command's status."""
        from regimens.commands.outcome import answer_of
        from regimens.report.study_end import draw
        from regimens.study.run_study import sweep

        assert self.config is not None
        return sweep(self.hydra_context, self.config, arguments, self.run_trial, draw, answer_of)
