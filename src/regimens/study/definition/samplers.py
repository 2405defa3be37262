"""Optuna's samplers by name. Those in FIXED do not look at results, so their whole list is drawn beforehand."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from regimens.core.errors import UserError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

FIXED = ("qmc", "random", "grid")
ADAPTIVE = ("tpe", "gp", "cmaes")


def check_sampler(name: str) -> None:
    """Raises UserError if there is no sampler of this name."""
    if name not in FIXED + ADAPTIVE:
        raise UserError(f"study.sampler={name}: it is one of {', '.join(FIXED + ADAPTIVE)}")


def make_sampler(name: str, seed: int) -> BaseSampler:
    """The sampler called `name`, seeded; `grid` is a list (see space.py) and never comes here."""
    check_sampler(name)
    from optuna import logging, samplers
    from optuna.exceptions import ExperimentalWarning

    logging.set_verbosity(logging.WARNING)  # Optuna announces every study that it creates

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if name == "qmc":
            return samplers.QMCSampler(
                seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False
            )
        if name == "tpe":
            return samplers.TPESampler(seed=seed, constant_liar=True)
        if name == "gp":
            return samplers.GPSampler(seed=seed)
        if name == "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        return samplers.RandomSampler(seed=seed)
