"""A fleet's dropout: layers whose noise is given, and who draws it, each trial from its own stream."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

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
        """The layer's buffers for one step, (trials, batch, width) each.

        On a processor each trial draws from its own generator what torch's dropout would; on a GPU, where that would be
        a launch for each trial, the first generator draws for all.
        """
        noise = like.new_empty(len(generators), batch, self.width)
        keep = like.new_tensor([1 - rate for rate in self.rates]).view(-1, 1, 1)
        if like.is_cuda:
            noise.uniform_(generator=generators[0]).lt_(keep)
        else:
            for i, (rate, generator) in enumerate(zip(self.rates, generators, strict=True)):
                noise[i].bernoulli_(1 - rate, generator=generator)
        if not self.alpha:
            return {f"{self.name}.scale": noise.div_(keep)}
        scales = [1 / math.sqrt((_LOW**2 * rate + 1) * (1 - rate)) for rate in self.rates]
        a = like.new_tensor(scales).view(-1, 1, 1)
        low = like.new_tensor([_LOW * s for s in scales]).view(-1, 1, 1)
        lift = like.new_tensor([_LOW * s * rate for s, rate in zip(scales, self.rates, strict=True)]).view(-1, 1, 1)
        shift = torch.add(noise, -1).mul_(low).add_(lift)
        return {f"{self.name}.scale": noise.mul_(a), f"{self.name}.shift": shift}


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
