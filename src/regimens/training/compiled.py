"""The compiled engine: blocks of mini-batches as one function, traced down to torch's operations and compiled to C++.

Compiled code is kept on disk (`cache`) and shared by runs and workers. What cannot be compiled runs eagerly, and `note`
says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from regimens.nets.dropout import Dropout
from regimens.secrets import brief
from regimens.training import compiler, memory
from regimens.training.acted import Actions
from regimens.training.averaging import Judged
from regimens.training.clipping import Clip
from regimens.training.functional import Step, Weights, numbers_of
from regimens.training.gradient_flow import NoProbe
from regimens.training.inductor import Inductor, Lower
from regimens.training.inplace import InPlace
from regimens.training.losses import Objective
from regimens.training.optimizers import RuleOptimizer
from regimens.training.regularization import Regularization
from regimens.training.schedules import Schedule
from regimens.training.traces import trace

# More steps a block compile for longer in proportion and gain nothing more; one alone repays its call less.
STEPS = 2


@dataclass(frozen=True)
class Job:
    """What one phase of a training consists of: the parts that a step needs."""

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


class Engine(Protocol):
    """How mini-batches are stepped; `name` is what ran, `note` why it is not what was asked for."""

    name: str
    note: str

    def begin(self, job: Job) -> None:
        """A phase begins."""

    def end(self) -> None:
        """Let go of the job and its data."""

    def take(self, block: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Step on as many of the block's first mini-batches as this engine can; return the rest, and sums.

        The sums are (loss * samples, hits, penalty * samples), float64; None where nothing was taken.
        """


class Eager:
    """Leaves every mini-batch to the plain loop; `note` says why, where another engine was asked for."""

    name = "eager"

    def __init__(self, note: str = "") -> None:
        self.note = note

    def begin(self, job: Job) -> None:
        """Nothing to prepare."""

    def end(self) -> None:
        """Let go of the job and its data."""

    def take(self, block: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Take none."""
        return block, None


@dataclass
class Compiled:
    """Steps whole blocks of `steps` mini-batches of one size; what is left over is the plain loop's.

    lower: what turns the traced graph into a function; by default torch's compiler.
    `name` turns to "eager", and `note` says why, where something in the regimen or the machine cannot be compiled.
    """

    cache: Path | None = None
    steps: int = STEPS
    lower: Lower | None = None
    name: str = "compiled"
    note: str = ""
    _job: Job | None = field(default=None, init=False, repr=False)
    _run: Any = field(default=None, init=False, repr=False)
    _together: int = field(default=STEPS, init=False, repr=False)
    _size: int = field(default=0, init=False, repr=False)

    def begin(self, job: Job) -> None:
        """Look whether the phase can be compiled; compilation itself waits for the first block."""
        self._job, self._run, self._size = job, None, 0
        # A sample of the weights to be averaged is due between two runs, never within one.
        self._together = gcd(self.steps, job.averaged.every)
        obstacle = self.note or not_compiled(job)
        if obstacle:
            self._give_up(obstacle)
        memory.keep()

    def _give_up(self, why: str) -> None:
        self.name, self.note, self._job = "eager", why, None

    def end(self) -> None:
        """Let go of the job and its data."""
        self._job, self._run = None, None

    def take(self, block: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Take every full run of `steps` mini-batches, or of as many as no sample of the weights is due within."""
        job = self._job
        if job is None:
            return block, None
        size = len(block[0])
        full = len(block) - (len(block[-1]) != size)
        full -= full % self._together
        if not full or job.averaged.position % self._together or size != (self._size or size):
            return block, None
        if self._run is None:
            try:
                self._run, self._size = self._compile(job, size), size
            except Exception as err:
                self._give_up(f"cannot be compiled: {brief(err)}")
                return block, None
        sums = torch.zeros(5, dtype=torch.float64, device=job.x.device)
        indices = torch.cat(list(block[:full])).split(self._together * size)
        coefficients = self._coefficients(job, full).split(self._together)
        for taken, numbers in zip(indices, coefficients, strict=True):
            sums += self._run(taken, numbers)
            job.averaged.stepped(job.net, self._together)
        loss, penalty, correct, clipped, constrained = sums.unbind()
        job.actions.clipped(clipped)
        job.actions.constrained(constrained)
        return block[full:], torch.stack([loss * size, correct, penalty * size])

    def _coefficients(self, job: Job, steps: int) -> Tensor:
        """The next steps' numbers (steps, n), moving optimiser and schedule along as the plain loop does."""
        optimizer, rows = job.optimizer, []
        assert isinstance(optimizer, RuleOptimizer)
        for _ in range(steps):
            job.actions.lr(job.schedule.lr)
            rows.append(optimizer.tick(optimizer.param_groups[0]))
            job.schedule.step()
        return torch.tensor(rows, dtype=job.x.dtype)

    def _compile(self, job: Job, size: int) -> Any:
        """A function (indices (steps * size,), coefficients) -> the five tallies' sums, float64."""
        from torch.utils import _pytree as pytree

        optimizer = job.optimizer
        assert isinstance(optimizer, RuleOptimizer)
        step = Step(job.net, job.objective, optimizer.rule, job.clip)
        weights = weights_of(job.net, optimizer)
        constants = numbers_of(job.regularization, job.clip)
        numbers = {name: torch.tensor(value, dtype=job.x.dtype) for name, value in constants.items()}
        state, spec = pytree.tree_flatten((vars(weights), numbers))
        steps, width = self._together, job.x.shape[1]

        def block(x: Tensor, y: Tensor, coefficients: Tensor, *flat: Tensor) -> Tensor:
            parts, numbers = pytree.tree_unflatten(list(flat), spec)
            weights = Weights(**parts)
            tallies = [step(weights, x[i], y[i], coefficients[i].unbind(), numbers) for i in range(steps)]
            return torch.stack(tallies).double().sum(0)

        indices = torch.zeros(steps * size, dtype=torch.long)
        rule = optimizer.rule
        probe = torch.tensor([rule.coefficients(1, 0.01)] * steps, dtype=job.x.dtype)

        def batch(indices: Tensor) -> tuple[Tensor, Tensor]:
            x, y = job.x.index_select(0, indices), job.y.index_select(0, indices)
            return x.view(steps, size, width), y.view(steps, size)

        inputs = [*batch(indices), probe, *state]
        run = trace(("block", steps, shape(job)), block, inputs, InPlace(self.lower or Inductor(self.cache)))

        def take(indices: Tensor, coefficients: Tensor) -> Tensor:
            x, y = batch(indices)
            with torch.no_grad():
                return run(x, y, coefficients, *state)

        return take


def weights_of(net: nn.Module, optimizer: RuleOptimizer) -> Weights:
    """The network's and the optimiser's own tensors, by name: what is written to them in place is the network's."""
    trained = {name: p for name, p in net.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in net.named_parameters() if not p.requires_grad}
    slots = {name: optimizer.slots(p) for name, p in trained.items()}
    return Weights({name: p.detach() for name, p in trained.items()}, fixed, dict(net.named_buffers()), slots)


def shape(job: Job) -> tuple[object, ...]:
    """What a step's operations follow from: names and sizes of tensors, and the kinds of every part."""
    tensors = tuple((name, tuple(p.shape), p.requires_grad) for name, p in job.net.named_parameters())
    # A module's own words hold its numbers (a slope, an epsilon); only a dropout's rate is a tensor.
    kinds = tuple(
        (type(module), module.training, "" if isinstance(module, Dropout) else module.extra_repr())
        for module in job.net.modules()
    )
    rule = type(job.optimizer.rule) if isinstance(job.optimizer, RuleOptimizer) else None
    numbers = tuple(numbers_of(job.regularization, job.clip))
    return tensors, kinds, job.objective, rule, type(job.clip), numbers


def not_compiled(job: Job) -> str:
    """Why this phase cannot be compiled, in a few words; empty where it can."""
    if compiler.find() is None:
        return "no C++ compiler on this machine"
    if job.x.device.type != "cpu":
        return "compiled blocks are for processors"
    return not_functional(job)


def not_functional(job: Job) -> str:
    """Why this phase's step is no function of tensors alone, in a few words; empty where it is."""
    if not isinstance(job.optimizer, RuleOptimizer):
        return f"{type(job.optimizer).__name__} is not one of the catalogue's own optimisers"
    if len(job.optimizer.param_groups) != 1:
        return "the optimiser has several parameter groups"
    if not isinstance(job.clip, Clip):
        return "the clip is not one of the catalogue's own"
    if not isinstance(job.probe, NoProbe):
        return "a probe looks at single steps"
    for module in job.net.modules():
        if isinstance(module, nn.RReLU):
            return "rrelu draws its slopes inside the activation"
    return ""
