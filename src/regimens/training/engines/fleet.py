"""Trains many trials of one shape together, for whole epochs: what Lightning and its callbacks do for a single one.

A trial that diverges, stops early or is pruned leaves the fleet with the weights that it has then.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from regimens.core.errors import Pruned
from regimens.training.callbacks import BestWeights, newest
from regimens.training.engine import Job
from regimens.training.functional import Tensors
from regimens.training.group import Tell
from regimens.training.module import RegimenModule


class Order(Protocol):
    """In which order a trial sees the examples (see `data.loader.Blocks`)."""

    batch_size: int
    block: int

    def order(self, epoch: int) -> Tensor:
        """The (n,) int64 order of the examples in `epoch` (from 0)."""


class Stepping(Protocol):
    """How the trials of a fleet are stepped: each by itself (`Apart`), or as one batched network (`Stacked`)."""

    how: str

    def begin_epoch(self) -> None:
        """An epoch begins, of which each trial's module has been told."""

    def run(self, block: Tensor, size: int, counted: Sequence[bool]) -> Tensor:
        """Step through a block, indices (trials, examples), in mini-batches of `size`; sums (trials, 3).

        The sums are of loss * samples, hits and penalty * samples, float64, moot where `counted` is false.
        """

    def validate(self, x: Tensor, y: Tensor, counted: Sequence[bool]) -> Tensor:
        """Sums of loss * samples and hits over x (N, D), y (N,), in evaluation mode: (trials, 2), float64."""

    def state(self, i: int) -> Tensors:
        """A copy of what trial `i` is judged by as a state dict."""

    def save(self, i: int) -> None:
        """See to it that trial `i`'s own network and optimiser hold what was learned."""


class Draws:
    """The orders in which trials see the examples, on `device`; an epoch's are drawn while the one before it trains.

    Drawn in between, they would take a GPU a seventh of its time.
    """

    def __init__(self, orders: Sequence[Order], epochs: int, device: torch.device) -> None:
        self._orders, self._epochs, self._device = list(orders), epochs, device
        self._apart = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Tensor]] | None = None

    @property
    def size(self) -> int:
        """Examples of a mini-batch."""
        return self._orders[0].batch_size

    def blocks(self, epoch: int) -> Iterator[Tensor]:
        """The blocks of `epoch`, indices (trials, examples)."""
        if self._next is None or self._next[0] != epoch:
            self._begin(epoch)
        assert self._next is not None
        drawn = self._next[1].result()
        if epoch + 1 < self._epochs:
            self._begin(epoch + 1)
        yield from drawn.split(self.size * self._orders[0].block, dim=1)

    def _begin(self, epoch: int) -> None:
        self._next = epoch, self._apart.submit(self._draw, epoch)

    def _draw(self, epoch: int) -> Tensor:
        return torch.stack([order.order(epoch) for order in self._orders]).to(self._device)


@dataclass
class Member:
    """One trial of a fleet.

    module: in training mode, its first optimiser configured. tell: hears of each epoch, may raise Pruned. status:
    "training", then how the training ended.
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
    one shape. put_together: what steps those who train. how: how it did so first, traced or compiled.
    """

    how = ""

    def __init__(
        self, members: Sequence[Member], epochs: int, put_together: Callable[[Sequence[Job]], Stepping]
    ) -> None:
        self.members = list(members)
        self.epochs = epochs
        self.put_together = put_together
        self._aboard = self.members
        self._stepping: Stepping
        self._draws: Draws

    def train(self) -> None:
        """Train until the last epoch, or until nobody is left."""
        started = time.perf_counter()
        for epoch in range(self.epochs):
            if not self._active:
                break
            self._begin(epoch)
            sums = self._train_epoch(epoch)
            self.how = self.how or self._stepping.how
            x, y = self.members[0].module.data["val"]
            valid = (self._stepping.validate(x, y, self._training) / len(y)).tolist()
            seconds = (time.perf_counter() - started) / len(self.members)
            for i, member in enumerate(self._aboard):
                if member.status == "training":
                    loss, accuracy = valid[i]
                    member.close_epoch(epoch, sums[i], (loss, accuracy), seconds, lambda i=i: self._stepping.state(i))
                    if member.status != "training":
                        self._stepping.save(i)
        for i, member in enumerate(self._aboard):
            if member.status == "training":
                member.status = "completed"
                self._stepping.save(i)

    @property
    def _training(self) -> list[bool]:
        return [member.status == "training" for member in self._aboard]

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
                self._stepping.save(i)
        for i in left:
            self._aboard[i].module.begin_epoch(epoch)
        if anew:
            self._aboard = self._active
            jobs = [member.module.job() for member in self._aboard]
            self._stepping = self.put_together(jobs)
            self._draws = Draws([member.order for member in self._aboard], self.epochs, jobs[0].x.device)
        self._stepping.begin_epoch()

    def _train_epoch(self, epoch: int) -> list[list[float]]:
        """One epoch; the sums of each member aboard. Whose loss is no longer finite leaves at the end of its block."""
        sums = torch.zeros(len(self._aboard), 3, dtype=torch.float64)
        for block in self._draws.blocks(epoch):
            counted = self._training
            total = self._stepping.run(block, self._draws.size, counted).cpu()
            sums += total
            losses = total[:, 0].tolist()
            for i, member in enumerate(self._aboard):
                if counted[i] and not math.isfinite(losses[i]):
                    member.status = "diverged"
                    self._stepping.save(i)
            if not self._active:
                break
        return sums.tolist()
