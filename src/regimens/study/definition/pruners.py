"""Optuna's pruners by name. Off by default: pruning makes the table depend on timing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from regimens.core.errors import UserError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PRUNERS = ("none", "median", "hyperband", "patient")


def check_pruner(name: str) -> None:
    """Raises UserError if there is no pruner of this name."""
    if name not in PRUNERS:
        raise UserError(f"study.pruner={name}: it is one of {', '.join(PRUNERS)}")


def make_pruner(name: str, epochs: int) -> BasePruner:
    """The pruner called `name`, for trials of at most `epochs` epochs."""
    check_pruner(name)
    from optuna import pruners
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "median":
            return pruners.MedianPruner()
        if name == "hyperband":
            return pruners.HyperbandPruner(max_resource=max(1, epochs))
        if name == "patient":
            return pruners.PatientPruner(pruners.MedianPruner(), patience=2)
        return pruners.NopPruner()
