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

    counted: for which trials the learning rate is added to the counters (`Job.actions`).
    """
    if any(job.schedule.moves for job in jobs):
        rows = [_tick(jobs, optimizers, counted) for _ in range(steps)]
        return torch.tensor(rows, dtype=torch.float64)
    for job, counts in zip(jobs, counted, strict=True):
        if counts:
            job.actions.lr(job.schedule.lr, steps)
        job.schedule.skip(steps)
    return torch.from_numpy(np.stack(_steady(optimizers, steps)))


def _tick(jobs: Sequence[Job], optimizers: Sequence[RuleOptimizer], counted: Sequence[bool]) -> list[tuple[float, ...]]:
    row = []
    for job, optimizer, counts in zip(jobs, optimizers, counted, strict=True):
        if counts:
            job.actions.lr(job.schedule.lr)
        row.append(optimizer.tick(optimizer.param_groups[0]))
        job.schedule.step()
    return row


def _steady(optimizers: Sequence[RuleOptimizer], steps: int) -> list[np.ndarray]:
    """As `_tick` for constant learning rates, where trials of one rule are computed as one array."""
    alike: dict[tuple[Rule, int], list[int]] = {}
    for i, optimizer in enumerate(optimizers):
        alike.setdefault((optimizer.rule, optimizer.param_groups[0]["step"]), []).append(i)
    rates = np.array([float(optimizer.param_groups[0]["lr"]) for optimizer in optimizers])
    width = len(optimizers[0].rule.coefficients(1, 0.01))
    rows = [np.empty((len(optimizers), width)) for _ in range(steps)]
    for (rule, done), members in alike.items():
        for step, row in enumerate(rows, done + 1):
            for column, value in enumerate(rule.coefficients(step, rates[members])):  # type: ignore[arg-type]
                row[members, column] = value
    for optimizer in optimizers:
        optimizer.param_groups[0]["step"] += steps
    return rows
