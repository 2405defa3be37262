"""Many trials trained side by side, each stepped on its own tensors: what one computes is the same in any company.

One function serves all trials of a shape, traced or compiled once. Batched over trials, a step's last bits would hang
on their number and order: products choose their code by where in memory a matrix begins, and vectorised loops treat an
array's end otherwise. On a processor a batch is no faster either (docs/decisions/0006-engines.md).
`torch.utils._pytree` is private and pinned by `torch==2.13.0` (docs/decisions/0010-rooms.md).
"""

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from regimens.core.secrets import brief
from regimens.training.engine import Job, shape, weights_of
from regimens.training.engines.coefficients import advance
from regimens.training.engines.stacked import CHUNK, evaluation, rule_optimizers
from regimens.training.engines.trace_cache import Lower, as_traced, trace
from regimens.training.functional import Gradients, Numbers, Step, Tensors, Weights, numbers_of


class Apart:
    """Steps `jobs`, one a trial, in turn, a block of mini-batches each; what is learned is in their own networks.

    lower: from a mini-batch's size to what its traced step is turned into; it hangs on nothing but the trial itself.
    how: how the steps of the largest mini-batch were run, traced or compiled, and why, where it is not what was asked
    for. Raises UserError where the trials are not of one shape.
    """

    how = "traced"

    def __init__(self, jobs: Sequence[Job], lower: Callable[[int], Lower] = lambda size: as_traced) -> None:
        self.jobs = list(jobs)
        self._optimizers = rule_optimizers(self.jobs)
        self._lower = lower
        self._kind = shape(self.jobs[0])
        trees = [_tree(job) for job in self.jobs]
        self._states, self._spec = [pytree.tree_leaves(tree) for tree in trees], pytree.tree_structure(trees[0])
        self._numbers = [numbers for _, numbers in trees]
        self._evaluation = evaluation(self.jobs[0])
        self._runs: dict[int, Callable[..., Tensor]] = {}

    def begin_epoch(self) -> None:
        """Nothing to begin: each trial's own averages are told by its own module."""

    def run(self, block: Tensor, size: int, counted: Sequence[bool]) -> Tensor:
        """Step through the block (trials, examples) of who is `counted` in mini-batches of `size`; sums (trials, 3).

        The sums are of loss * samples, hits and penalty * samples, float64, 0 for the others.
        """
        active = list(compress(range(len(self.jobs)), counted))
        sums = self.jobs[0].x.new_zeros(len(self.jobs), 3, dtype=torch.float64)
        jobs, optimizers = [self.jobs[i] for i in active], [self._optimizers[i] for i in active]
        rows = advance(jobs, optimizers, [True] * len(active), -(-block.shape[1] // size))
        with torch.no_grad():
            for i, row in zip(active, rows.to(sums.device).unbind(1), strict=True):
                sums[i] = self._step(i, block[i], size, row)
        return sums

    def _step(self, i: int, block: Tensor, size: int, rows: Tensor) -> Tensor:
        """One trial's sums (3,)."""
        job, state = self.jobs[i], self._states[i]
        indices = block.to(job.x.device)
        labels = job.y.index_select(0, indices).split(size)
        tallies = []
        for batch, y, c in zip(indices.split(size), labels, rows.to(job.x.dtype), strict=True):
            x = job.x.index_select(0, batch)
            tallies.append(self._step_of(x, y, c, state)(x, y, c, *state))
            job.averaged.stepped(job.net, 1)
        loss, extra, hits, clipped, constrained = torch.stack(tallies).double().unbind(1)
        job.actions.clipped(clipped.sum())
        job.actions.constrained(constrained.sum())
        samples = loss.new_tensor([len(y) for y in labels])
        return torch.stack([torch.dot(loss, samples), hits.sum(), torch.dot(extra, samples)])

    def _step_of(self, x: Tensor, y: Tensor, c: Tensor, state: Sequence[Tensor]) -> Callable[..., Tensor]:
        """The function that steps on a mini-batch of x's size."""
        size = len(x)
        if size not in self._runs:
            self._runs[size] = self._prepare(size, [x, y, c, *state])
        return self._runs[size]

    def _prepare(self, size: int, inputs: Sequence[Tensor]) -> Callable[..., Tensor]:
        job, spec = self.jobs[0], self._spec
        step = Step(Gradients(job.net, job.objective, job.clip), self._optimizers[0].rule)

        def one(x: Tensor, y: Tensor, c: Tensor, *state: Tensor) -> Tensor:
            parts, numbers = pytree.tree_unflatten(list(state), spec)
            return step(Weights(**parts), x, y, c.unbind(), numbers)

        kind, lower, first = ("one step", self._kind), self._lower(size), not self._runs
        if lower is as_traced:
            return trace(kind, one, inputs)
        try:
            run = trace(kind, one, inputs, lower)
        except Exception as err:
            if first:
                self.how = f"traced; cannot be compiled: {brief(err)}"
            return trace(kind, one, inputs)
        if first:
            self.how = "compiled"
        return run

    def validate(self, x: Tensor, y: Tensor, counted: Sequence[bool]) -> Tensor:
        """Sums of loss * samples and hits over x (N, D), y (N,), in evaluation mode: (trials, 2), float64."""
        total = x.new_zeros(len(self.jobs), 2, dtype=torch.float64)
        with torch.no_grad():
            for i in compress(range(len(self.jobs)), counted):
                job = self.jobs[i]
                tree = (tensors_of(job.averaged.ready(job.net, job.x)), self._numbers[i])
                for chunk, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
                    loss, hits = self._evaluate(tree, chunk, labels)
                    total[i] += torch.stack([loss.double() * len(labels), hits.double()])
        return total

    def _evaluate(self, tree: tuple[Tensors, Numbers], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        flat, spec = pytree.tree_flatten(tree)

        def one(x: Tensor, y: Tensor, *flat: Tensor) -> tuple[Tensor, Tensor]:
            tensors, numbers = pytree.tree_unflatten(list(flat), spec)
            return self._evaluation(tensors, numbers, x, y)

        inputs = [x, y, *flat]
        return trace(("one evaluation", self._kind), one, inputs)(*inputs)

    def state(self, i: int) -> Tensors:
        """A copy of what trial `i` is judged by as a state dict."""
        job = self.jobs[i]
        return {name: value.detach().clone() for name, value in job.averaged.of(job.net).state_dict().items()}

    def save(self, i: int) -> None:
        """Nothing to do: trial `i`'s own network, and its own averages, are what is trained."""


def tensors_of(net: nn.Module) -> Tensors:
    """A network's own parameters and buffers by name."""
    return {name: p.detach() for name, p in net.named_parameters()} | dict(net.named_buffers())


def _tree(job: Job) -> tuple[dict[str, Any], Numbers]:
    """A trial's own tensors, changed in place, and its numbers."""
    (optimizer,) = rule_optimizers([job])
    numbers = numbers_of(job.regularization, job.clip)
    return vars(weights_of(job.net, optimizer)), {name: job.x.new_tensor(value) for name, value in numbers.items()}
