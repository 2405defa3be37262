"""The learning-rate range test: one short run whose learning rate grows at every step, and the rate that it proposes.

The rate rises by a constant factor from far too low to far too high, and each step's loss is recorded. The proposal is
a tenth of the rate at which the loss shoots back up (Géron, "Hands-On Machine Learning", chapter 11; the test itself is
Smith's, 2015, "Cyclical learning rates"). The rate of the lowest loss would be a poor criterion: the curve is flat and
noisy there.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from regimens.training.probes.gradient_flow import Probe

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 700  # a hundred steps for each factor of ten
WINDOW = 25  # steps that the loss is averaged over: a quarter of a factor of ten
LEARNT = 0.1  # share of the first loss that must be gone for the regimen to have learnt at all
BACK = 0.5  # share of its fall that the loss has climbed back where it counts as turned
GIVE_UP = 2.0  # times the first loss: the test is stopped there


class Finished(Exception):  # noqa: N818 - it says what happened to the test
    """The test has seen enough: the loss has blown up, or the last step is taken."""


def growing(optimizer: Optimizer) -> LRScheduler:
    """From LOWEST at step 0 to HIGHEST at step STEPS - 1 by a constant factor, whatever the optimiser's own rate is."""
    base = float(optimizer.param_groups[0]["lr"])
    return LambdaLR(optimizer, lambda i: LOWEST * (HIGHEST / LOWEST) ** (i / (STEPS - 1)) / base)


class RangeTest(Probe):
    """A probe that records every step's learning rate and loss, and ends the run by raising Finished."""

    field = "lr_range"

    def __init__(self) -> None:
        self.lr: list[float] = []
        self.loss: list[float] = []

    def stepping(self, loss: Tensor, lr: float) -> None:
        """Record the loss of this step's mini-batch, before the step is taken."""
        value = float(loss.detach())
        if math.isfinite(value):
            self.lr.append(lr)
            self.loss.append(value)
        if not math.isfinite(value) or len(self.loss) == STEPS or self._blown_up():
            raise Finished

    def _blown_up(self) -> bool:
        now, first = self.loss[-WINDOW:], self.loss[:WINDOW]
        return len(self.loss) > WINDOW and sum(now) / len(now) > GIVE_UP * sum(first) / len(first)

    def report(self) -> dict[str, Any]:
        """The curve (`lr`, `loss`, `smoothed`: one number a step) and what `read` makes of it."""
        smoothed = smooth(self.loss)
        blown_up = 0 < len(self.lr) < STEPS
        return {
            "lr": [float(f"{lr:.6g}") for lr in self.lr],
            "loss": [float(f"{loss:.6g}") for loss in self.loss],
            "smoothed": [float(f"{loss:.6g}") for loss in smoothed],
            **read(self.lr, smoothed, blown_up),
            "blow_up": self.lr[-1] if blown_up else None,
        }


def smooth(loss: Sequence[float]) -> list[float]:
    """The mean of each step's WINDOW neighbours, itself in the middle; fewer at the ends."""
    half, total = WINDOW // 2, np.concatenate([[0.0], np.cumsum(np.asarray(loss, dtype=float))])
    edges = [(max(0, i - half), min(len(loss), i + half + 1)) for i in range(len(loss))]
    return [float((total[high] - total[low]) / (high - low)) for low, high in edges]


def read(lr: Sequence[float], smoothed: Sequence[float], blown_up: bool = False) -> dict[str, float | None]:
    """`turning`, where the loss has climbed half of its fall back, and `proposed`, a tenth of it.

    Both are None where nothing was learnt; `turning` alone, where the loss never climbed back as far as that. A loss
    that blew up at once, within a few steps, turned at the last one.
    """
    nothing: dict[str, float | None] = {"turning": None, "proposed": None}
    if not smoothed:
        return nothing
    first, lowest = smoothed[0], min(smoothed)
    if first - lowest < LEARNT * abs(first):
        return nothing
    bottom = smoothed.index(lowest)
    turned = [i for i in range(bottom, len(lr)) if smoothed[i] > lowest + BACK * (first - lowest)]
    turning = lr[turned[0]] if turned else lr[-1] if blown_up else None
    return {"turning": turning, "proposed": float(f"{(turning or lr[-1]) / 10:.2g}")}


def epochs_needed(steps_per_epoch: int) -> int:
    """Epochs that hold the test's steps."""
    return math.ceil(STEPS / steps_per_epoch)


def metrics(report: dict[str, Any], parameters: int) -> dict[str, float | None]:
    """The metrics of a range test, in place of losses and accuracies."""
    return {
        "lr/proposed": report["proposed"],
        "lr/turning": report["turning"],
        "lr/blow_up": report["blow_up"],
        "parameters": parameters,
    }
