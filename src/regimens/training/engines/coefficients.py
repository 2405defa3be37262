"""Advance each trial's optimiser and schedule; return their update coefficients, shape (steps, trials, n)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from regimens.training.engine import Job
from regimens.training.optimizers import RuleOptimizer
from regimens.training.updates import Rule


def advance(jobs: Sequence[Job], optimizers: Sequence[RuleOptimizer], counted: Sequence[bool], steps: int) -> Tensor:
    """The next `steps` steps' coefficients (steps, trials, n), float64, the same as in the plain loop.

    counted: for which trials the learning rates are added to the counters (`Job.actions`).
    """
    rates = [job.schedule.ahead(steps) for job in jobs]
    for job, counts, own in zip(jobs, counted, rates, strict=True):
        if counts:
            job.actions.lrs(own)
    return torch.from_numpy(coefficients(optimizers, np.array(rates).T))


def coefficients(optimizers: Sequence[RuleOptimizer], rates: np.ndarray) -> np.ndarray:
    """(steps, trials, n) of the next steps at these learning rates (steps, trials), which the optimisers count."""
    alike: dict[tuple[Rule, int], list[int]] = {}
    for i, optimizer in enumerate(optimizers):
        alike.setdefault((optimizer.rule, optimizer.param_groups[0]["step"]), []).append(i)
    found = np.empty((*rates.shape, len(optimizers[0].rule.coefficients(1, 0.01))))
    for (rule, done), members in alike.items():
        # Trials of one rule as one array; a single one in Python's own numbers, which takes less time.
        own = rates[:, members] if len(members) > 1 else rates[:, members[0]].tolist()
        columns = zip(*(rule.coefficients(done + row + 1, lr) for row, lr in enumerate(own)), strict=True)
        for column, values in enumerate(columns):
            found[:, members, column] = np.array(values).reshape(len(rates), -1)
    for optimizer in optimizers:
        optimizer.param_groups[0]["step"] += len(rates)
    return found
