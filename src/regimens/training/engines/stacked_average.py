"""The averaged weights of trials that are trained together: `averaging`, of stacked tensors."""

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from regimens.training.averaging import Averaged, Running, examples, forgetful, moving_norms
from regimens.training.engine import Job
from regimens.training.engines.launch import Mapped
from regimens.training.functional import Tensors, Weights


class StackedJudged(Protocol):
    """What trials are judged by, and what it has to be told of their training."""

    @property
    def tensors(self) -> Tensors:
        """Parameters and buffers that stand for the trials', stacked, as last made ready."""

    def begin_epoch(self) -> None:
        """An epoch begins."""

    def stretches(self, steps: int) -> Iterator[int]:
        """The next `steps` steps in parts, after each of which `stepped` is to be called."""

    def stepped(self, steps: int) -> None:
        """`steps` steps were taken."""

    def ready(self, x: Tensor) -> Tensors:
        """`tensors` at the end of an epoch; x (N, D) are the training examples."""

    def save(self, i: int) -> None:
        """Copy what stands for trial `i` into its own."""


class StackedLast:
    """The trained weights themselves."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    @property
    def tensors(self) -> Tensors:
        """All that the networks have."""
        return self._weights.tensors

    def begin_epoch(self) -> None:
        """Nothing to begin."""

    def stretches(self, steps: int) -> Iterator[int]:
        """All at once."""
        yield steps

    def stepped(self, steps: int) -> None:
        """Nothing to add."""

    def ready(self, x: Tensor) -> Tensors:
        """They always are."""
        return self.tensors

    def save(self, i: int) -> None:
        """They are saved as what was trained."""


class StackedAveraged:
    """Averages of `weights`, going on from the `jobs`' own."""

    def __init__(self, jobs: Sequence[Job], weights: Weights, kind: Hashable) -> None:
        self._own = [job.averaged for job in jobs if isinstance(job.averaged, Averaged)]
        nets = [dict(one.net.named_parameters()) for one in self._own]
        self._means = {name: torch.stack([net[name].detach() for net in nets]) for name in weights.trained}
        moving = moving_norms(jobs[0].net)
        names = [f"{norm}.{kept}" for norm in moving for kept in ("running_mean", "running_var")]
        self._statistics = {name: weights.buffers[name].clone() for name in names}
        self._weights = weights
        self._running = Running(self._own[0].running.average, self._own[0].running.taken)
        self._mine, self._theirs = parts(self._means), parts(weights.trained)
        self._count = Mapped(counting(jobs[0], moving, names), (0, None), ("statistics", kind))

    @property
    def tensors(self) -> Tensors:
        """Averages where there are some, statistics counted under them, and the rest as it is."""
        return {**self._weights.tensors, **self._means, **self._statistics}

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self._running.begin_epoch()

    def stretches(self, steps: int) -> Iterator[int]:
        """From one sample to the next."""
        every = self._running.average.every
        while steps > 0:
            part = min(steps, every - self._running.position % every)
            yield part
            steps -= part

    def stepped(self, steps: int) -> None:
        """Take a sample where one is due."""
        if self._running.due(steps):
            self._running.sample(self._mine, self._theirs)

    def ready(self, x: Tensor) -> Tensors:
        """As `Averaged.ready` does."""
        if self._running.position and not self._running.taken:
            self._running.sample(self._mine, self._theirs)
        if self._statistics:
            self._count(self.tensors, examples(x))
        return self.tensors

    def save(self, i: int) -> None:
        """Copy trial `i`'s averages and their statistics into its own averaged network."""
        own = self._own[i]
        tensors = dict(own.net.named_parameters()) | dict(own.net.named_buffers())
        for name, value in {**self._means, **self._statistics}.items():
            tensors[name].copy_(value[i])
        own.running.taken = self._running.taken


def stacked_average(jobs: Sequence[Job], weights: Weights, kind: Hashable) -> StackedJudged:
    """What the trials of `jobs`, of one `kind`, whose tensors are stacked in `weights`, are judged by."""
    return StackedAveraged(jobs, weights, kind) if isinstance(jobs[0].averaged, Averaged) else StackedLast(weights)


def parts(stacked: Tensors) -> list[Tensor]:
    """Tensors to be averaged one by one; on a processor each trial's own, whose bits then hang on no other trial."""
    whole = list(stacked.values())
    return whole if whole[0].is_cuda else [part for tensor in whole for part in tensor.unbind()]


def counting(job: Job, norms: Sequence[str], names: Sequence[str]) -> Callable[[Tensors, Tensor], list[Tensor]]:
    """A function (tensors, x) that makes batch norm's statistics, the tensors of these names, those of x (N, D)."""
    net = copy.deepcopy(job.net)
    forgetful(net, norms)

    def count(tensors: Tensors, x: Tensor) -> list[Tensor]:
        functional_call(net, tensors, (x,))
        return [tensors[name] for name in names]

    return count
