"""A fleet's dropout: layers whose noise is given, and who draws it, each trial from its own stream."""

import copy
import math
from collections.abc import Sequence

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


class Noise:
    """One dropout layer of the fleet: its name, its inputs' width, and each trial's rate; noise is of `like`'s kind."""

    def __init__(self, name: str, width: int, alpha: bool, rates: Sequence[float], like: Tensor) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return like.new_tensor(values).view(-1, 1, 1)

        self.name, self.width, self.alpha, self.rates = name, width, alpha, tuple(rates)
        self._keep = column([1 - rate for rate in rates])
        if alpha:
            scales = [1 / math.sqrt((_LOW**2 * rate + 1) * (1 - rate)) for rate in rates]
            self._scale = column(scales)
            self._low = column([_LOW * s for s in scales])
            self._lift = column([_LOW * s * rate for s, rate in zip(scales, rates, strict=True)])

    def draw(self, batch: int, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """The layer's buffers for one step, (trials, batch, width) each.

        On a processor each trial draws from its own generator what torch's dropout would; on a GPU, where that would be
        a launch for each trial, the first generator draws for all.
        """
        noise = self._keep.new_empty(len(generators), batch, self.width)
        if noise.is_cuda:
            noise.uniform_(generator=generators[0]).lt_(self._keep)
        else:
            for i, (rate, generator) in enumerate(zip(self.rates, generators, strict=True)):
                noise[i].bernoulli_(1 - rate, generator=generator)
        if not self.alpha:
            return {f"{self.name}.scale": noise.div_(self._keep)}
        shift = torch.add(noise, -1).mul_(self._low).add_(self._lift)
        return {f"{self.name}.scale": noise.mul_(self._scale), f"{self.name}.shift": shift}


def masked(nets: Sequence[nn.Module]) -> tuple[nn.Module, list[Noise]]:
    """A copy of the first network with its dropout layers replaced, and what noise they need, in the order of use."""
    net = copy.deepcopy(nets[0])
    modules = [dict(each.named_modules()) for each in nets]
    noise, width, like = [], 0, next(net.parameters())
    for name, module in reversed(list(net.named_modules())):
        if isinstance(module, nn.Linear):
            width = module.in_features
        if isinstance(module, _DropoutNd) and module.training:
            alpha = isinstance(module, nn.AlphaDropout)
            net.set_submodule(name, Masked(alpha))
            noise.append(Noise(name, width, alpha, [each[name].p for each in modules], like))
    return net, noise[::-1]
