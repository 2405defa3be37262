"""One training step as a function of tensors alone: the piece of arithmetic that is compiled, or run for many trials.

Parameters, buffers and optimiser state come in as tensors and are changed in place; numbers that differ between steps
(learning rate, moments) or between trials (penalties, bounds) come in as 0-dim tensors, so that one compiled block, or
one batched call, serves them all. The eager engine runs the same rules, clips and penalties on modules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from regimens.nets.mlp import kernels
from regimens.training.clipping import Clip
from regimens.training.constraints import max_norm_
from regimens.training.losses import Objective
from regimens.training.penalties import penalty
from regimens.training.regularization import Regularization
from regimens.training.updates import Coefficients, Rule, State

Tensors = dict[str, Tensor]
Numbers = Mapping[str, Tensor]

TALLIES = ("loss", "penalty", "correct", "clipped", "constrained")


@dataclass(frozen=True)
class Weights:
    """All that a step changes, by parameter or buffer name; `fixed` are the frozen parameters."""

    trained: Tensors
    fixed: Tensors
    buffers: Tensors
    slots: dict[str, State]

    @property
    def tensors(self) -> Tensors:
        """All that the network has: parameters and buffers."""
        return {**self.trained, **self.fixed, **self.buffers}


@dataclass(frozen=True)
class Gradients:
    """A call gives a mini-batch's gradients, clipped, and the first four TALLIES, shape (4,).

    `net` gives the forward pass, in the mode (training or evaluation) that each of its modules is in.
    """

    net: nn.Module
    objective: Objective
    clip: Clip

    def __call__(self, weights: Weights, x: Tensor, y: Tensor, numbers: Numbers) -> tuple[list[Tensor], Tensor]:
        """Of x (B, D), y (B,) under the trial's `numbers` (see `numbers_of`), in the order of `weights.trained`."""
        names = list(kernels(self.net))

        def loss_of(trained: Tensors, buffers: Tensors) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            tensors = {**trained, **weights.fixed}
            logits = functional_call(self.net, (tensors, buffers), (x,))
            loss = self.objective.loss(logits, y)
            extra = penalty_of([tensors[name] for name in names], numbers, loss)
            return loss + extra, (logits, extra)

        gradients, (loss, (logits, extra)) = grad_and_value(loss_of, has_aux=True)(weights.trained, weights.buffers)
        grads = [gradients[name] for name in weights.trained]
        clipped = self.clip.apply(grads, numbers["bound"]) if "bound" in numbers else loss.new_zeros(())
        hits = self.objective.total(logits, y)
        return grads, torch.stack([part.to(loss) for part in (loss, extra, hits, clipped)])


@dataclass(frozen=True)
class Step:
    """A call moves `weights` by one mini-batch in place and returns the five TALLIES, shape (5,)."""

    gradients: Gradients
    rule: Rule

    def __call__(self, weights: Weights, x: Tensor, y: Tensor, c: Coefficients, numbers: Numbers) -> Tensor:
        """Step on x (B, D), y (B,) with the rule's coefficients `c` and the trial's `numbers` (see `numbers_of`)."""
        grads, tallies = self.gradients(weights, x, y, numbers)
        for (name, p), g in zip(weights.trained.items(), grads, strict=True):
            self.rule.update(p, g, weights.slots[name], c)
        constrained = constrain(self.gradients.net, weights.tensors, numbers, tallies)
        return torch.cat([tallies, constrained.to(tallies).unsqueeze(0)])


def constrain(net: nn.Module, tensors: Tensors, numbers: Numbers, like: Tensor) -> Tensor:
    """Bound the kernels in place, all but the last; the share of units outside, 0-dim, of `like`'s kind."""
    if "max_norm" not in numbers:
        return like.new_zeros(())
    return max_norm_([tensors[name] for name in list(kernels(net))[:-1]], numbers["max_norm"])


def numbers_of(regularization: Regularization, clip: Clip) -> dict[str, float]:
    """The strengths and bounds that have an effect; others are left out, so that they cost nothing."""
    acting = {
        "l1": (regularization.l1, regularization.l1 > 0),
        "l2": (regularization.l2, regularization.l2 > 0),
        "max_norm": (regularization.max_norm, regularization.constrains),
        "bound": (clip.bound, clip.acts and clip.bound < math.inf),
    }
    return {name: value for name, (value, acts) in acting.items() if acts}


def penalty_of(weights: Sequence[Tensor], numbers: Numbers, loss: Tensor) -> Tensor:
    """The penalty on `weights` under the trial's numbers, 0-dim, of `loss`'s kind; zero where there is none."""
    if not numbers.keys() & {"l1", "l2"}:
        return loss.new_zeros(())
    return penalty(weights, numbers.get("l1", 0.0), numbers.get("l2", 0.0)).to(loss)
