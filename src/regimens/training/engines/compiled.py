"""The compiled engine: blocks of mini-batches as one function, traced down to torch's operations and compiled to C++.

Compiled code is stored on disk (`cache`) and shared by runs and workers. What cannot be compiled runs eagerly, and
`note` says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regimens.core.process import keep_freed_memory
from regimens.core.secrets import brief
from regimens.training.engine import Engine, Job, not_functional, shape, weights_of
from regimens.training.engines import compiler
from regimens.training.engines.coefficients import advance
from regimens.training.engines.inductor import Inductor, Lower
from regimens.training.engines.inplace import InPlace
from regimens.training.engines.trace_cache import trace
from regimens.training.functional import Step, Weights, numbers_of
from regimens.training.optimizers import RuleOptimizer

# Larger blocks take longer to compile in proportion and run no faster; with one step, call overhead weighs more.
STEPS = 2
# What takes ten milliseconds and more: beside it a call is nothing, and to compile it twice takes a minute.
LONG = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass
class Compiled(Engine):
    """Steps whole blocks of `steps` mini-batches of one size, one at a time with convolutions; the plain loop the rest.

    lower: what turns the traced graph into a function; by default torch's compiler.
    `name` turns to "eager", and `note` says why, where something in the regimen or the machine cannot be compiled.
    """

    name: str = "compiled"
    cache: Path | None = None
    steps: int = STEPS
    lower: Lower | None = None
    _job: Job | None = field(default=None, init=False, repr=False)
    _run: Any = field(default=None, init=False, repr=False)
    _together: int = field(default=STEPS, init=False, repr=False)
    _size: int = field(default=0, init=False, repr=False)

    def begin(self, job: Job) -> None:
        """Check whether the phase can be compiled; the first block then compiles it."""
        self._job, self._run, self._size = job, None, 0
        # A sample of the weights to be averaged is due between two runs, never within one.
        long = any(isinstance(module, LONG) for module in job.net.modules())
        self._together = 1 if long else gcd(self.steps, job.averaged.every)
        obstacle = self.note or not_compiled(job)
        if obstacle:
            self._give_up(obstacle)
        keep_freed_memory()

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
        """The next steps' coefficients (steps, n); advances optimiser and schedule as the plain loop does."""
        assert isinstance(job.optimizer, RuleOptimizer)
        return advance([job], [job.optimizer], [True], steps)[:, 0].to(job.x.dtype)

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
            return x.view(steps, size, width), y.view(steps, size, *y.shape[1:])

        inputs = [*batch(indices), probe, *state]
        run = trace(("block", steps, shape(job)), block, inputs, InPlace(self.lower or Inductor(self.cache)))

        def take(indices: Tensor, coefficients: Tensor) -> Tensor:
            x, y = batch(indices)
            with torch.no_grad():
                return run(x, y, coefficients, *state)

        return take


def not_compiled(job: Job) -> str:
    """Why this phase cannot be compiled, in a few words; empty where it can."""
    if compiler.find() is None:
        return "no C++ compiler on this machine"
    if job.x.device.type != "cpu":
        return "compiled blocks are for processors"
    return not_functional(job)
