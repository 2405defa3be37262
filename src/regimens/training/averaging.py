"""Averaged weights: a network that is judged in place of the one that is trained, whose last step is mostly noise.

The averages are torch's own (`torch.optim.swa_utils`), but not its `AveragedModel`: it takes several times as long as
the average itself, and knows no stacked networks. Batch norm's running statistics belong to the weights that they were
gathered under; to average them too costs a point of accuracy, so they are counted anew.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from regimens.nets.norm import BatchNorm
from regimens.training import checks

# (averages, newest values, how many they are the average of): moves the averages in place.
Blend = Callable[[list[Tensor], list[Tensor], int], None]
# Samples of the weights that an epoch holds at least, if it has as many steps.
SAMPLES = 8
# Training examples that batch norm's statistics are counted on: as good as all of them, and a fifth of a desk's epoch.
EXAMPLES = 2000


class Judged(Protocol):
    """What is judged in place of a network, and what it has to be told of the training."""

    @property
    def every(self) -> int:
        """Steps from one sample to the next; 0 where none is taken."""

    @property
    def position(self) -> int:
        """Steps taken in the epoch, where they are counted."""

    def begin_epoch(self, net: nn.Module) -> None:
        """An epoch of `net`, in training mode, begins."""

    def stepped(self, net: nn.Module, steps: int = 1) -> None:
        """`steps` steps were taken, none of them but the last one at a multiple of `every` from the epoch's first."""

    def ready(self, net: nn.Module, x: Tensor) -> nn.Module:
        """What stands for `net` at the end of an epoch; x (N, D) are the training examples."""

    def of(self, net: nn.Module) -> nn.Module:
        """What stood for `net` when it was last made ready."""

    def leave(self, net: nn.Module) -> float:
        """Give `net` what stands for it; how far it was from that, as a share of its norm."""


class Last:
    """The network itself."""

    every = 0
    position = 0

    def begin_epoch(self, net: nn.Module) -> None:
        """Nothing to begin."""

    def stepped(self, net: nn.Module, steps: int = 1) -> None:
        """Nothing to add."""

    def ready(self, net: nn.Module, x: Tensor) -> nn.Module:
        """The network itself."""
        return net

    def of(self, net: nn.Module) -> nn.Module:
        """The network itself."""
        return net

    def leave(self, net: nn.Module) -> float:
        """It has them."""
        return 0.0


class Average(Protocol):
    """Which weights a network is judged by."""

    def over(self, steps: int) -> "Average":
        """The same for epochs of `steps` steps."""

    def judged(self, net: nn.Module) -> Judged:
        """What stands for `net`."""


class Sampling(Average, Protocol):
    """One that averages samples, and begins anew with each epoch or not."""

    @property
    def every(self) -> int:
        """Steps from one sample to the next."""

    @property
    def restarts(self) -> bool:
        """Whether each epoch begins a new average."""

    def blend(self) -> Blend:
        """What adds a sample to an average."""


@dataclass(frozen=True)
class NoAverage:
    """The weights of the last step."""

    def over(self, steps: int) -> Self:
        """The same for any epochs."""
        return self

    def judged(self, net: nn.Module) -> Judged:
        """`net` stands for itself."""
        return Last()


@dataclass(frozen=True)
class EpochMean:
    """The mean of the weights over an epoch, every `every` steps of it. Raises UserError unless that is 1 or more."""

    every: int = 8
    restarts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.count("average.every", self.every)

    def over(self, steps: int) -> Self:
        """The same for epochs of `steps` steps, sampled more often if they are short."""
        return replace(self, every=often(self.every, steps))

    def blend(self) -> Blend:
        """w + (new - w) / (n + 1), the mean of n + 1."""
        return get_swa_multi_avg_fn()

    def judged(self, net: nn.Module) -> Judged:
        """A copy of `net` stands for it."""
        return Averaged(net, self)


@dataclass(frozen=True)
class Exponential:
    """The exponential average of the weights, `decay` a step, from its first sample on; sampled as `EpochMean` is.

    Raises UserError where decay is not in [0, 1).
    """

    decay: float = 0.99
    every: int = 8
    restarts: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks.share("average.decay", self.decay)
        checks.count("average.every", self.every)

    def over(self, steps: int) -> Self:
        """The same for epochs of `steps` steps, sampled more often if they are short."""
        return replace(self, every=often(self.every, steps))

    def blend(self) -> Blend:
        """d w + (1 - d) new, with d = decay^every."""
        return get_ema_multi_avg_fn(self.decay**self.every)

    def judged(self, net: nn.Module) -> Judged:
        """A copy of `net` stands for it."""
        return Averaged(net, self)


def often(every: int, steps: int) -> int:
    """`every`, halved until an epoch of `steps` steps holds SAMPLES samples."""
    while every > 1 and steps // every < SAMPLES:
        every //= 2
    return every


class Running:
    """When a sample is due, and how it is added; `taken` are in the average, `position` steps in the epoch."""

    def __init__(self, average: Sampling, taken: int = 0) -> None:
        self.average = average
        self.position = 0
        self.taken = taken
        self._blend = average.blend()

    def begin_epoch(self) -> None:
        """Count an epoch's steps from its first."""
        self.position = 0
        self.taken = 0 if self.average.restarts else self.taken

    def due(self, steps: int) -> bool:
        """Whether, `steps` steps on, it is time for a sample."""
        self.position += steps
        return self.position % self.average.every == 0

    def sample(self, averages: Sequence[Tensor], newest: Sequence[Tensor]) -> None:
        """Add the newest values to the averages, in place; the first sample is the average."""
        if self.taken:
            self._blend(list(averages), list(newest), self.taken)
        else:
            for mine, value in zip(averages, newest, strict=True):
                mine.copy_(value)
        self.taken += 1


class Averaged(nn.Module):
    """A copy of `net`, never trained, whose weights are `average`'s of those that `net` has had."""

    def __init__(self, net: nn.Module, average: Sampling) -> None:
        super().__init__()
        self.every = average.every
        self.running = Running(average)
        self.net = copy.deepcopy(net).requires_grad_(False)
        self._moving: list[str] = []

    @property
    def position(self) -> int:
        """Steps taken in the epoch."""
        return self.running.position

    def begin_epoch(self, net: nn.Module) -> None:
        """An epoch of `net`, in training mode, begins."""
        self.running.begin_epoch()
        self._moving = moving_norms(net)

    def stepped(self, net: nn.Module, steps: int = 1) -> None:
        """Take a sample where one is due."""
        if self.running.due(steps):
            self._sample(net)

    def _sample(self, net: nn.Module) -> None:
        self.running.sample(*([p.detach() for p in one.parameters()] for one in (self.net, net)))

    def ready(self, net: nn.Module, x: Tensor) -> nn.Module:
        """The averaged network with statistics of its own; an epoch too short for a sample is one at its end."""
        if self.position and not self.running.taken:
            self._sample(net)
        if self._moving:
            forgetful(self.net, self._moving)
            with torch.no_grad():
                self.net(examples(x))
        return self.net.eval()

    def of(self, net: nn.Module) -> nn.Module:
        """The averaged network."""
        return self.net

    def leave(self, net: nn.Module) -> float:
        """Copy the averaged weights and statistics into `net`; their distance, as a share of the norm of `net`'s."""
        mine, theirs = (nn.utils.parameters_to_vector(one.parameters()).detach() for one in (self.net, net))
        norm = torch.linalg.vector_norm(theirs).clamp(min=torch.finfo(theirs.dtype).tiny)
        far = float(torch.linalg.vector_norm(mine - theirs) / norm)
        net.load_state_dict(self.net.state_dict())
        return far


def moving_norms(net: nn.Module) -> list[str]:
    """Names of the batch norms that gather statistics; those of frozen layers keep theirs."""
    kinds = nn.modules.batchnorm._BatchNorm
    return [name for name, module in net.named_modules() if isinstance(module, kinds) and module.training]


def forgetful(net: nn.Module, norms: Sequence[str]) -> None:
    """Put `net` in evaluation mode, but for `norms`: their running statistics become those of the next batch.

    Dropout is off, as in what is judged: with it on, a layer's inputs would spread more than they then do.
    """
    net.eval()
    for name in norms:
        norm = net.get_submodule(name).train()
        norm.momentum = 1.0  # type: ignore[assignment]
        if isinstance(norm, BatchNorm):
            norm.rate = 1.0


def examples(x: Tensor) -> Tensor:
    """EXAMPLES rows of x (N, D), the same for every seed, or all where there are no more."""
    if len(x) <= EXAMPLES:
        return x
    drawn = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:EXAMPLES]
    return x.index_select(0, drawn.to(x.device))
