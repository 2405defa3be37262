"""Learning-rate schedules, and `Schedule`, which steps one along with training.

Each function returns a torch scheduler that multiplies the optimiser's own learning rate by a factor of the step or the
epoch, both counted from 0 (docs/reference/parity.md, section 6). Any scheduler class of torch works in their place. How
far one reaches is a number of epochs or steps, or a share of the training's (`horizons`): "80%".
"""

import inspect
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from regimens.core.errors import UserError
from regimens.training import checks, horizons
from regimens.training.horizons import LONG, Horizon


def constant(optimizer: Optimizer) -> LRScheduler:
    """A constant learning rate."""
    return LambdaLR(optimizer, lambda _: 1.0)


def power(optimizer: Optimizer, steps_per_epoch: int, epochs: int, s: Horizon = 10000, c: float = 1.0) -> LRScheduler:
    """1 / (1 + i / s)^c at step i: half after s steps, or that share of all steps, where c is 1."""
    steps = horizons.horizon("scheduler.s", s, steps_per_epoch * epochs, LONG)
    return LambdaLR(optimizer, lambda i: (1 + i / steps) ** -c)


def exp(optimizer: Optimizer, epochs: int, s: Horizon = 20, rate: float = 0.1) -> LRScheduler:
    """rate^(e / s) in epoch e: `rate` times lower every s epochs, or in that share of the `epochs`."""
    checks.positive("scheduler.rate", rate)
    span = horizons.horizon("scheduler.s", s, epochs, LONG)
    return LambdaLR(optimizer, lambda e: rate ** (e / span))


def exp_step(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, s: Horizon = 20, rate: float = 0.1
) -> LRScheduler:
    """rate^(i / (s steps_per_epoch)) at step i: `exp`, but at every step."""
    span = horizons.horizon("scheduler.s", s, epochs, LONG)
    return exp(optimizer, epochs, span * steps_per_epoch, rate)


def piecewise(
    optimizer: Optimizer,
    epochs: int,
    boundaries: Sequence[Horizon] = (5, 15),
    factors: Sequence[float] = (1, 0.5, 0.1),
) -> LRScheduler:
    """factors[k] from epoch boundaries[k-1], or the first one that begins at that share or later, until the next.

    Raises UserError where boundaries do not rise, or are not one fewer than the factors.
    """
    edges = [horizons.horizon("scheduler.boundaries", edge, epochs) for edge in boundaries]
    levels = list(factors)
    if len(levels) != len(edges) + 1:
        raise UserError(f"scheduler.factors={levels}: needs one more than boundaries={list(boundaries)}")
    if any(b <= a for a, b in pairwise(edges)):
        raise UserError(f"scheduler.boundaries={list(boundaries)}: must rise")
    return LambdaLR(optimizer, lambda e: float(levels[bisect_right(edges, e)]))


def plateau(
    optimizer: Optimizer,
    epochs: int,
    factor: float = 0.5,
    patience: int | str = 5,
    min_delta: float = 0.0001,
    cooldown: int | str = 0,
    min_lr: float = 0.0,
) -> ReduceLROnPlateau:
    """Multiply by `factor` where the validation loss has not fallen by `min_delta` for `patience` epochs.

    The arguments mean what they mean in tf.keras, which cuts one epoch earlier than torch and counts its cooldown one
    longer; both may be shares of the `epochs`. Raises UserError where factor is not in (0, 1).
    """
    checks.positive("scheduler.factor", factor)
    checks.share("scheduler.factor", factor)
    patience = horizons.whole("scheduler.patience", patience, epochs)
    cooldown = horizons.whole("scheduler.cooldown", cooldown, epochs)
    checks.not_negative("scheduler.min_delta", min_delta)
    checks.not_negative("scheduler.min_lr", min_lr)
    return ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=max(patience - 1, 0),
        threshold=min_delta,
        threshold_mode="abs",
        cooldown=max(cooldown - 1, 0),
        min_lr=min_lr,
        eps=0,
    )


def onecycle(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, start: float = 0.1, final: float = 0.0001
) -> LRScheduler:
    """Rise in a line from `start` to 1 over the first half, back, then fall to `final` over the last tenth.

    The optimiser's learning rate is the peak; momentum is left alone.
    """
    checks.positive("scheduler.start", start)
    checks.not_negative("scheduler.final", final)
    total = max(1, steps_per_epoch * epochs)
    half = (total - (total // 10 + 1)) // 2

    def factor(i: int) -> float:
        if i < half:
            return start + (1 - start) * i / half
        if i < 2 * half:
            return 1 + (start - 1) * (i - half) / half
        return start + (final - start) * (min(i, total) - 2 * half) / (total - 2 * half)

    return LambdaLR(optimizer, factor)


def cosine(optimizer: Optimizer, steps_per_epoch: int, epochs: int, final: float = 0.0) -> LRScheduler:
    """Half a cosine from 1 at the first step to `final` after the last."""
    checks.not_negative("scheduler.final", final)
    total = max(1, steps_per_epoch * epochs)
    return LambdaLR(optimizer, lambda i: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(i, total) / total)))


class Schedule:
    """Steps a scheduler: `step` after every optimiser step, `epoch_end` after every epoch's validation.

    With `warmup` steps the learning rate is also multiplied by (i + 1) / warmup at step i < warmup, whatever the
    scheduler does. The scheduler never sees that factor: some of torch's compute each value from the last one.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factory: Callable[..., LRScheduler] = constant,
        *,
        interval: Literal["step", "epoch"] = "epoch",
        warmup: int | str = 0,
        steps_per_epoch: int,
        epochs: int,
    ) -> None:
        """Build the scheduler, which sets the first step's learning rate.

        factory: called with the optimiser, and with `steps_per_epoch` and `epochs` where it takes them and they are
        not set. warmup: steps, or a share of all. Raises UserError for an unknown interval or a negative warm-up.
        """
        if interval not in ("step", "epoch"):
            raise UserError(f"scheduler.interval={interval}: choose step or epoch")
        self.optimizer = optimizer
        self.warmup = horizons.whole("scheduler.warmup", warmup, steps_per_epoch * epochs)
        self._steps = 0
        self._scheduler = build_scheduler(factory, optimizer, steps_per_epoch=steps_per_epoch, epochs=epochs)
        self._plateau = isinstance(self._scheduler, ReduceLROnPlateau)
        self._every_step = interval == "step" and not self._plateau
        # Some engines update the parameters themselves; torch would warn that optimizer.step was never called.
        # A private name, pinned by torch==2.13.0 (docs/decisions/0010-rooms.md).
        optimizer._opt_called = True  # type: ignore[attr-defined]
        self._planned = [group["lr"] for group in optimizer.param_groups]
        self._warm()

    @property
    def lr(self) -> float:
        """The learning rate of the next step (first parameter group)."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def moves(self) -> bool:
        """Whether the learning rate may change before the epoch ends."""
        return self._every_step or self._steps < self.warmup

    def skip(self, steps: int) -> None:
        """Count `steps` optimiser steps during which the learning rate is constant."""
        self._steps += steps

    def step(self) -> None:
        """Count one optimiser step."""
        self._steps += 1
        if self._steps <= self.warmup or self._every_step:
            self._move(self._scheduler.step if self._every_step else None)

    def ahead(self, steps: int) -> list[float]:
        """The learning rate of each of the next `steps` optimiser steps (first parameter group), which are counted."""
        if not self.moves:
            self.skip(steps)
            return [self.lr] * steps
        rates, scheduler = [self.lr], self._scheduler
        warm = not self.warmup or self._steps > self.warmup
        # Of such a scheduler a step costs as much as a small network's, and its values are known without taking any.
        if type(scheduler) is LambdaLR and self._every_step and warm and steps > 1:
            first, base, factor = scheduler.last_epoch, float(scheduler.base_lrs[0]), scheduler.lr_lambdas[0]
            rates += [base * factor(i) for i in range(first + 1, first + steps)]
            scheduler.last_epoch = first + steps - 1
            self._steps += steps - 1
        while len(rates) < steps:
            self.step()
            rates.append(self.lr)
        self.step()
        return rates

    def epoch_end(self, val_loss: float | None = None) -> None:
        """Count one epoch; `val_loss` is what a plateau scheduler watches.

        Raises UserError where a plateau scheduler gets none.
        """
        if self._plateau:
            if val_loss is None:
                raise UserError("scheduler=plateau needs a validation loss: give the data a validation split")
            self._move(lambda: self._scheduler.step(val_loss))  # type: ignore[arg-type]
        elif not self._every_step:
            self._move(self._scheduler.step)

    def _move(self, advance: Callable[[], Any] | None) -> None:
        """Restore the scheduler's own learning rates, step it, then apply the warm-up factor."""
        if advance is not None:
            if self._steps <= self.warmup:
                for group, lr in zip(self.optimizer.param_groups, self._planned, strict=True):
                    group["lr"] = lr
            advance()
            self._planned = [group["lr"] for group in self.optimizer.param_groups]
        self._warm()

    def _warm(self) -> None:
        if self._steps <= self.warmup and self.warmup:
            factor = min(1.0, (self._steps + 1) / self.warmup)
            for group, lr in zip(self.optimizer.param_groups, self._planned, strict=True):
                group["lr"] = lr * factor


def build_scheduler(factory: Callable[..., LRScheduler], optimizer: Optimizer, **known: int) -> LRScheduler:
    """Call `factory` with the optimiser and those of `known` that it takes and does not have yet."""
    parameters = inspect.signature(factory).parameters
    preset = getattr(factory, "keywords", {})
    return factory(optimizer, **{key: n for key, n in known.items() if key in parameters and key not in preset})
