"""Many trials of one shape as one batched network: their parameters stacked, one functional step mapped over them.

Trials may differ in seed, order of examples, learning rate, schedule, penalties, bounds, dropout rates and initial
weights; they share the network's shape, the kind of optimiser and the batch size.
"""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from regimens.core.errors import UserError
from regimens.nets.mlp import kernels
from regimens.training.engine import Job, shape, weights_of
from regimens.training.engines.coefficients import advance
from regimens.training.engines.launch import Launcher, Mapped
from regimens.training.engines.stacked_average import stacked_average
from regimens.training.functional import Gradients, Numbers, Step, Tensors, Weights, numbers_of, penalty_of
from regimens.training.optimizers import RuleOptimizer

# Rows of a validation chunk: every trial's activations of one chunk should stay in the processor's cache.
CHUNK = 250


class Stacked:
    """Steps `jobs`, one a trial, together; `save` writes what was learned back into a trial's own network.

    For a GPU, which a single small trial leaves idle. The last bits of a trial's numbers may depend on its company.
    Raises UserError where the trials are not of one shape.
    """

    how = "traced"

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        first = self.jobs[0]
        self._optimizers = rule_optimizers(self.jobs)
        self._own = [weights_of(job.net, optimizer) for job, optimizer in zip(self.jobs, self._optimizers, strict=True)]
        self._weights = stack(self._own)
        constants = [numbers_of(job.regularization, job.clip) for job in self.jobs]
        self._numbers = {name: first.x.new_tensor([each[name] for each in constants]) for name in constants[0]}
        gradients = Gradients(copy.deepcopy(first.net), first.objective, first.clip)
        step = Step(gradients, self._optimizers[0].rule)

        def one(parts: dict[str, Tensors], numbers: Numbers, x: Tensor, y: Tensor, c: Tensor) -> Tensor:
            return step(Weights(**parts), x, y, c.unbind(), numbers)  # type: ignore[arg-type]

        kind = shape(first)
        self._launcher = Launcher(one, vars(self._weights), self._numbers, (first.x, first.y), ("step", kind))
        self.judged = stacked_average(self.jobs, self._weights, kind)
        self._evaluate = Mapped(evaluation(first), (0, 0, None, None), ("evaluate", kind))

    def run(self, block: Tensor, size: int, counted: Sequence[bool]) -> Tensor:
        """Step through a block, indices (trials, examples), in mini-batches of `size`; sums (trials, 3), float64.

        The sums are of loss * samples, hits and penalty * samples. counted: whose actions count. The last mini-batch
        of an epoch may be smaller.
        """
        whole = block.shape[1] - block.shape[1] % size
        parts = [part for part in block.tensor_split((whole,), dim=1) if part.shape[1]]
        runs = [part.view(len(block), -1, min(size, part.shape[1])).transpose(0, 1).contiguous() for part in parts]
        return torch.stack([self._run(indices, counted) for indices in runs]).sum(0)

    def _run(self, indices: Tensor, counted: Sequence[bool]) -> Tensor:
        """One step for each mini-batch, all of one size; indices (steps, trials, samples)."""
        steps, trials, samples = indices.shape
        rows = advance(self.jobs, self._optimizers, counted, steps).to(self.jobs[0].x)
        sums = rows.new_zeros(trials, 5, dtype=torch.float64)
        for start, n in self._launches(steps):
            sums += self._launcher(indices[start : start + n], rows[start : start + n])
            self.judged.stepped(n)
        loss, extra, hits, clipped, constrained = sums.unbind(1)
        if self._numbers.keys() & {"bound", "max_norm"}:
            for i, job in enumerate(self.jobs):
                if counted[i]:
                    job.actions.clipped(clipped[i])
                    job.actions.constrained(constrained[i])
        return torch.stack([loss * samples, hits, extra * samples], dim=1)

    def _launches(self, steps: int) -> Iterator[tuple[int, int]]:
        """(first step, number of steps) of each launch; no sample of the weights is due within one."""
        first = 0
        for part in self.judged.stretches(steps):
            yield from ((first + start, n) for start, n in self._launcher.launches(part))
            first += part

    def begin_epoch(self) -> None:
        """An epoch begins: averages count its steps from its first."""
        self.judged.begin_epoch()

    def validate(self, x: Tensor, y: Tensor, counted: Sequence[bool]) -> Tensor:
        """Sums of loss * samples and hits over x (N, D), y (N,), in evaluation mode: (trials, 2), float64."""
        tensors = self.judged.ready(self.jobs[0].x)
        total = x.new_zeros(len(self.jobs), 2, dtype=torch.float64)
        for start in range(0, len(y), CHUNK):
            chunk = y[start : start + CHUNK]
            loss, hits = self._evaluate(tensors, self._numbers, x[start : start + CHUNK], chunk)
            total += torch.stack([loss.double() * len(chunk), hits.double()], dim=1)
        return total

    def state(self, i: int) -> Tensors:
        """A copy of what trial `i` is judged by as a state dict."""
        together = self.judged.tensors
        return {name: together[name][i].clone() for name in self.jobs[i].net.state_dict()}

    def save(self, i: int) -> None:
        """Copy trial `i`'s parameters, buffers and optimiser state back into its own, and averages into theirs."""
        self.judged.save(i)
        own, together = self._own[i], self._weights
        for mine, all_ in ((own.trained, together.trained), (own.buffers, together.buffers)):
            for name, value in mine.items():
                value.copy_(all_[name][i])
        for name, slots in own.slots.items():
            for slot, all_slots in zip(slots, together.slots[name], strict=True):
                slot.copy_(all_slots[i])


def rule_optimizers(jobs: Sequence[Job]) -> list[RuleOptimizer]:
    """The optimisers of a fleet's trials. Raises UserError where the trials are not of one shape."""
    found = [job.optimizer for job in jobs if isinstance(job.optimizer, RuleOptimizer)]
    if len({(shape(job), id(job.x)) for job in jobs}) != 1 or len(found) != len(jobs):
        raise UserError("engine=fleet: the trials of a fleet share one shape, one optimiser and its techniques")
    return found


def stack(own: Sequence[Weights]) -> Weights:
    """Each tensor of the trials, stacked along a new first dimension."""

    def stacked(part: str) -> Tensors:
        return {name: torch.stack([getattr(each, part)[name] for each in own]) for name in getattr(own[0], part)}

    slots = {
        name: tuple(torch.stack(same) for same in zip(*(each.slots[name] for each in own), strict=True))
        for name in own[0].slots
    }
    return Weights(stacked("trained"), stacked("fixed"), stacked("buffers"), slots)


def evaluation(job: Job) -> Callable[[Tensors, Numbers, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """A function (tensors, numbers, x, y) -> (mean loss with the penalty, hits) of one trial in evaluation mode."""
    net: nn.Module = copy.deepcopy(job.net).eval()
    names, objective = list(kernels(net)), job.objective

    def evaluate(tensors: Tensors, numbers: Numbers, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = functional_call(net, tensors, (x,))
        loss = objective.loss(logits, y)
        loss = loss + penalty_of([tensors[name] for name in names], numbers, loss)
        return loss, objective.total(logits, y)

    return evaluate
