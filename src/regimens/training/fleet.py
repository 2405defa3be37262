"""Many trials of one shape as one batched network: their parameters stacked, one functional step mapped over them.

Trials may differ in seed, order of examples, learning rate, schedule, penalties, bounds, dropout rates and initial
weights; they share the network's shape, the kind of optimiser and the batch size. Each trial's noise comes from its own
generator, drawn in the plain loop's order, so that a trial does not depend on the company it is trained in.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.modules.dropout import _DropoutNd

from regimens.errors import UserError
from regimens.training.compiled import Job, weights_of
from regimens.training.functional import TALLIES, Numbers, Step, Weights, numbers_of
from regimens.training.optimizers import RuleOptimizer

# Alpha dropout's value for a dropped unit: SELU's lower limit, -scale * alpha.
_LOW = 1.7580993408473766


class Masked(nn.Module):
    """Dropout whose noise is given: x * scale + shift, each of x's shape."""

    scale: Tensor
    shift: Tensor

    def __init__(self, alpha: bool) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        if alpha:
            self.register_buffer("shift", torch.zeros(()))
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Drop what the noise says."""
        return x * self.scale + self.shift if self.alpha else x * self.scale


@dataclass(frozen=True)
class Noise:
    """One dropout layer of the fleet: its name, its inputs' width, and each trial's rate."""

    name: str
    width: int
    alpha: bool
    rates: tuple[float, ...]

    def draw(self, batch: int, generators: Sequence[torch.Generator], like: Tensor) -> dict[str, Tensor]:
        """The layer's buffers for one step, (trials, batch, width) each, as torch's dropout draws them."""
        noise = like.new_empty(len(generators), batch, self.width)
        shift = torch.empty_like(noise) if self.alpha else None
        for i, (rate, generator) in enumerate(zip(self.rates, generators, strict=True)):
            keep = noise[i].bernoulli_(1 - rate, generator=generator)
            if shift is None:
                keep.div_(1 - rate)
                continue
            a = 1 / math.sqrt((_LOW**2 * rate + 1) * (1 - rate))
            torch.add(keep, -1, out=shift[i]).mul_(_LOW * a).add_(_LOW * a * rate)
            keep.mul_(a)
        scale = {f"{self.name}.scale": noise}
        return scale if shift is None else {**scale, f"{self.name}.shift": shift}


class Fleet:
    """Steps `jobs`, one a trial, together; `save` writes what was learned back into each trial's own network.

    seeds: each trial's seed of its dropout noise. Raises UserError where the trials are not of one shape.
    """

    def __init__(self, jobs: Sequence[Job], seeds: Sequence[int]) -> None:
        self.jobs = list(jobs)
        first = self.jobs[0]
        self._optimizers = [job.optimizer for job in self.jobs if isinstance(job.optimizer, RuleOptimizer)]
        if len({shape(job) for job in self.jobs}) != 1 or len(self._optimizers) != len(self.jobs):
            raise UserError("engine=fleet: the trials of a fleet share one shape, one optimiser and its techniques")
        self._generators = [torch.Generator(first.x.device).manual_seed(seed) for seed in seeds]
        self._own = [weights_of(job.net, optimizer) for job, optimizer in zip(self.jobs, self._optimizers, strict=True)]
        net, self._noise = masked([job.net for job in self.jobs])
        self._weights = stack(self._own)
        constants = [numbers_of(job.regularization, job.clip) for job in self.jobs]
        self._numbers = {name: first.x.new_tensor([each[name] for each in constants]) for name in constants[0]}
        step = Step(net, first.objective, self._optimizers[0].rule, first.clip)

        def one(parts: dict[str, dict[str, Tensor]], x: Tensor, y: Tensor, c: Tensor, numbers: Numbers) -> Tensor:
            return step(Weights(**parts), x, y, c.unbind(), numbers)  # type: ignore[arg-type]

        self._step = vmap(one, randomness="error")

    def step(self, indices: Tensor) -> Tensor:
        """One step of every trial on its own mini-batch, indices (trials, batch); the TALLIES (trials, 5)."""
        x, y = self.jobs[0].x, self.jobs[0].y
        trials, batch = indices.shape
        flat = indices.flatten()
        noise: dict[str, Tensor] = {}
        for layer in self._noise:
            noise |= layer.draw(batch, self._generators, x)
        parts = {**vars(self._weights), "buffers": {**self._weights.buffers, **noise}}
        rows = []
        for job, optimizer in zip(self.jobs, self._optimizers, strict=True):
            job.actions.lr(job.schedule.lr)
            rows.append(optimizer.tick(optimizer.param_groups[0]))
            job.schedule.step()
        with torch.no_grad():
            batches = x.index_select(0, flat).view(trials, batch, -1), y.index_select(0, flat).view(trials, batch)
            tallies = self._step(parts, *batches, x.new_tensor(rows), self._numbers)
        if self._numbers.keys() & {"bound", "max_norm"}:
            for job, row in zip(self.jobs, tallies, strict=True):
                job.actions.clipped(row[TALLIES.index("clipped")])
                job.actions.constrained(row[TALLIES.index("constrained")])
        return tallies

    def save(self) -> None:
        """Copy the stacked parameters, buffers and optimiser state back into each trial's own."""
        together = self._weights
        for i, own in enumerate(self._own):
            for mine, all_ in ((own.trained, together.trained), (own.buffers, together.buffers)):
                for name, value in mine.items():
                    value.copy_(all_[name][i])
            for name, slots in own.slots.items():
                for slot, all_slots in zip(slots, together.slots[name], strict=True):
                    slot.copy_(all_slots[i])


def shape(job: Job) -> tuple[object, ...]:
    """What the trials of a fleet have in common: names and sizes of tensors, and the kinds of every part."""
    tensors = tuple((name, tuple(p.shape), p.requires_grad) for name, p in job.net.named_parameters())
    kinds = tuple(type(module) for module in job.net.modules())
    rule = type(job.optimizer.rule) if isinstance(job.optimizer, RuleOptimizer) else None
    return tensors, kinds, rule, type(job.clip), tuple(numbers_of(job.regularization, job.clip)), id(job.x)


def stack(own: Sequence[Weights]) -> Weights:
    """Each tensor of the trials, stacked along a new first dimension."""

    def stacked(part: str) -> dict[str, Tensor]:
        return {name: torch.stack([getattr(each, part)[name] for each in own]) for name in getattr(own[0], part)}

    slots = {
        name: tuple(torch.stack(same) for same in zip(*(each.slots[name] for each in own), strict=True))
        for name in own[0].slots
    }
    return Weights(stacked("trained"), stacked("fixed"), stacked("buffers"), slots)


def masked(nets: Sequence[nn.Module]) -> tuple[nn.Module, list[Noise]]:
    """A copy of the first network with its dropout layers replaced, and what noise they need, in the order of use."""
    net = copy.deepcopy(nets[0])
    modules = [dict(each.named_modules()) for each in nets]
    noise, width = [], 0
    for name, module in reversed(list(net.named_modules())):
        if isinstance(module, nn.Linear):
            width = module.in_features
        if isinstance(module, _DropoutNd) and module.training:
            alpha = isinstance(module, nn.AlphaDropout)
            net.set_submodule(name, Masked(alpha))
            noise.append(Noise(name, width, alpha, tuple(each[name].p for each in modules)))
    return net, noise[::-1]
