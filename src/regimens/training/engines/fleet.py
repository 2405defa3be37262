"""Trains many trials of one shape together, for whole epochs: what Lightning and its callbacks do for a single one.

A trial that diverges, stops early or is pruned leaves the fleet with the weights that it has then. It is computed along
as long as most of the others train, and dropped from the batch when half of it is gone.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

import torch
from torch import Tensor

from regimens.core.errors import Pruned
from regimens.training.callbacks import BestWeights, newest
from regimens.training.engines.inductor import Lower
from regimens.training.engines.stacked import Stacked
from regimens.training.engines.trace_cache import as_traced
from regimens.training.group import Tell
from regimens.training.module import RegimenModule


class Order(Protocol):
    """The mini-batches of an epoch as blocks of index tensors, one pass for each epoch (see `data.loader.Blocks`)."""

    def set_epoch(self, epoch: int) -> None:
        """The next pass is epoch `epoch` (from 0)."""

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]: ...


@dataclass
class Member:
    """One trial of a fleet.

    module: in training mode, its first optimiser configured. order: its mini-batches, an epoch a pass. tell: hears of
    each epoch, may raise Pruned. status: "training", then how the training ended.
    """

    module: RegimenModule
    order: Order
    tell: Tell
    status: str = "training"
    best: BestWeights = field(default_factory=BestWeights)
    waited: int = 0

    def close_epoch(
        self, epoch: int, sums: list[float], valid: tuple[float, float], seconds: float, state: Callable
    ) -> None:
        """Take an epoch's numbers, and leave the fleet where they or whoever watches say so."""
        module = self.module
        loss = module.close_epoch(epoch, sums, valid, seconds)["val/loss"]
        # As Lightning's EarlyStopping counts, for which a loss that is no number is no improvement.
        self.waited = 0 if loss < self.best.loss else self.waited + 1
        self.best.offer(loss, epoch + 1, state)
        patience = module.regularization.patience
        if patience and self.waited >= patience:
            self.status = "completed"
        try:
            self.tell(epoch + 1, newest(module.history))
        except Pruned:
            self.status = "pruned"


class Fleet:
    """Trains `members` for `epochs` epochs, phases and all; afterwards each one's module and status are as if alone.

    Their times are shares: the fleet's, divided by the number of its members. Raises UserError where they are not of
    one shape. lower: see `traces.trace`. how: how the steps of the whole fleet were run, traced or compiled.
    """

    how = ""

    def __init__(self, members: Sequence[Member], epochs: int, lower: Lower = as_traced) -> None:
        self.members = list(members)
        self.epochs = epochs
        self.lower = lower
        self._aboard = self.members
        self._stacked: Stacked

    def train(self) -> None:
        """Train until the last epoch, or until nobody is left."""
        started = time.perf_counter()
        for epoch in range(self.epochs):
            if not self._active:
                break
            self._begin(epoch)
            sums = self._train_epoch(epoch)
            self.how = self.how or self._stacked.how
            x, y = self.members[0].module.data["val"]
            valid = (self._stacked.validate(x, y) / len(y)).tolist()
            seconds = (time.perf_counter() - started) / len(self.members)
            for i, member in enumerate(self._aboard):
                if member.status == "training":
                    loss, accuracy = valid[i]
                    member.close_epoch(epoch, sums[i], (loss, accuracy), seconds, lambda i=i: self._stacked.state(i))
                    if member.status != "training":
                        self._stacked.save(i)
        for i, member in enumerate(self._aboard):
            if member.status == "training":
                member.status = "completed"
                self._stacked.save(i)

    @property
    def _active(self) -> list[Member]:
        return [member for member in self._aboard if member.status == "training"]

    def _begin(self, epoch: int) -> None:
        """Begin an epoch; at a phase's first one, or where half of the trials are gone, stack those left anew."""
        left = [i for i, member in enumerate(self._aboard) if member.status == "training"]
        starts = epoch == 0 or epoch in self.members[0].module.phase_starts
        anew = starts or len(left) <= len(self._aboard) / 2
        if anew and epoch > 0:
            for i in left:
                self._stacked.save(i)
        for i in left:
            self._aboard[i].module.begin_epoch(epoch)
        if anew:
            self._aboard = self._active
            jobs = [member.module.job() for member in self._aboard]
            # What is left of a fleet is of another shape, and would be compiled once more.
            self._stacked = Stacked(jobs, self.lower if len(jobs) == len(self.members) else as_traced)
        self._stacked.judged.begin_epoch()

    def _train_epoch(self, epoch: int) -> list[list[float]]:
        """One epoch; the sums of each member aboard. Whose loss is no longer finite leaves at the end of its block."""
        for member in self._aboard:
            member.order.set_epoch(epoch)
        sums = torch.zeros(len(self._aboard), 3, dtype=torch.float64)
        for blocks in zip(*(member.order for member in self._aboard), strict=True):
            counted = [member.status == "training" for member in self._aboard]
            total = self._run(blocks, counted).cpu()
            sums += total
            for i, member in enumerate(self._aboard):
                if counted[i] and not math.isfinite(float(total[i, 0])):
                    member.status = "diverged"
                    self._stacked.save(i)
            if not self._active:
                break
        return sums.tolist()

    def _run(self, blocks: Sequence[Sequence[Tensor]], counted: Sequence[bool]) -> Tensor:
        """Step through one block of mini-batches of every member; the last mini-batch of an epoch may be smaller."""
        device = self._stacked.jobs[0].x.device
        batches = [torch.stack(step).to(device) for step in zip(*blocks, strict=True)]
        runs = [list(run) for _, run in groupby(batches, key=lambda batch: batch.shape[1])]
        return torch.stack([self._stacked.run(run, counted) for run in runs]).sum(0)
