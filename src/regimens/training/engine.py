"""What an engine is: the parts of a training phase that it steps, and its interface, which is the plain loop's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regimens.nets.dropout import TORCH_DROPOUTS, Dropout
from regimens.training.averaging import Judged
from regimens.training.clipping import Clip
from regimens.training.functional import Weights, numbers_of
from regimens.training.losses import Objective
from regimens.training.optimizers import RuleOptimizer
from regimens.training.probes.acted import Actions
from regimens.training.probes.gradient_flow import Probe
from regimens.training.regularization import Regularization
from regimens.training.schedules import Schedule


@dataclass(frozen=True)
class Job:
    """The parts that the steps of one training phase need."""

    net: nn.Module
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    clip: Any
    regularization: Regularization
    probe: Any
    actions: Actions
    averaged: Judged
    x: Tensor
    y: Tensor


@dataclass
class Engine:
    """How mini-batches are stepped. This one, `engine=eager`, leaves all of them to the module's plain loop.

    `note` says why another engine that was asked for does not run; `name` is the engine that does.
    """

    note: str = ""
    name: str = "eager"

    def begin(self, job: Job) -> None:
        """A phase begins."""

    def end(self) -> None:
        """Release the job and its data."""

    def take(self, block: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Step on as many of the block's first mini-batches as this engine can; return the rest, and sums.

        The sums are (loss * samples, hits, penalty * samples), float64; None where nothing was taken.
        """
        return block, None


def weights_of(net: nn.Module, optimizer: RuleOptimizer) -> Weights:
    """The tensors of network and optimiser by name, not copies: an in-place change is a change of the network."""
    trained = {name: p for name, p in net.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in net.named_parameters() if not p.requires_grad}
    slots = {name: optimizer.slots(p) for name, p in trained.items()}
    return Weights({name: p.detach() for name, p in trained.items()}, fixed, dict(net.named_buffers()), slots)


def shape(job: Job) -> tuple[object, ...]:
    """A key of tensor names, sizes and types of all parts: jobs of one shape step by the same operations."""
    rule = type(job.optimizer.rule) if isinstance(job.optimizer, RuleOptimizer) else None
    return *shape_of_gradients(job), rule


def shape_of_gradients(job: Job) -> tuple[object, ...]:
    """The same without the optimiser: jobs of one such shape have gradients by the same operations."""
    tensors = tuple((name, tuple(p.shape), p.requires_grad) for name, p in job.net.named_parameters())
    # extra_repr holds a module's constants (a slope, an epsilon); a dropout's rate is a tensor, so it may differ.
    kinds = tuple(
        (type(module), module.training, "" if isinstance(module, Dropout) else module.extra_repr())
        for module in job.net.modules()
    )
    # What else the forward pass of a foreign network depends on is not known, so no two of them are of one shape.
    own = [] if type(job.net).__module__.startswith("regimens.") else [job.net]
    numbers = tuple(numbers_of(job.regularization, job.clip))
    return tensors, (*kinds, *own), job.objective, type(job.clip), numbers


def not_functional(job: Job) -> str:
    """Why this phase's step cannot be a function of tensors alone (functional.py), in a few words; else empty."""
    if not isinstance(job.optimizer, RuleOptimizer):
        return f"{type(job.optimizer).__name__} is not one of the catalogue's single rules"
    if len(job.optimizer.param_groups) != 1:
        return "the optimiser has several parameter groups"
    if job.regularization.mixes:
        return "mixup draws anew how much it mixes in each step"
    if not isinstance(job.clip, Clip):
        return "the clip is not one of the catalogue's own"
    if type(job.probe) is not Probe:
        return "a probe looks at single steps"
    if job.objective.own:
        return job.objective.own
    for module in job.net.modules():
        if isinstance(module, nn.RReLU):
            return "rrelu draws its slopes inside the activation"
        if isinstance(module, TORCH_DROPOUTS) and module.p > 0:
            return "torch's dropout draws inside the network: use regimens.nets.dropout.Dropout"
    return ""
