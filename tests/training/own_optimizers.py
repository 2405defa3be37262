"""Optimisers as users write them."""

from typing import Any

import torch
from torch import Tensor, nn


class Half(torch.optim.SGD):
    """Takes every second parameter."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        super().__init__(params[::2], lr)


class Split(torch.optim.SGD):
    """Splits by layers of the network."""

    def __init__(self, params: list[Tensor], net: nn.Module, lr: float = 0.1, ratio: float = 0.5) -> None:
        last = {id(p) for p in list(net.modules())[-1].parameters()}
        parts = [[p for p in params if (id(p) in last) == inside] for inside in (False, True)]
        super().__init__([{"params": parts[0]}, {"params": parts[1], "lr": ratio * lr}], lr)


class NoRate(torch.optim.Optimizer):
    """Has no learning rate."""

    def __init__(self, params: list[Tensor]) -> None:
        super().__init__(params, {})

    def step(self, closure: Any = None) -> None:
        """Nothing."""


class Breaking(torch.optim.SGD):
    """Cannot be made."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        raise RuntimeError("no such luck")


class Swapping(torch.optim.SGD):
    """Judged by weights that are all zero, in place of those that it trains."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        super().__init__(params, lr)
        self.kept: list[Tensor] = []

    def step(self, closure: Any = None) -> None:
        assert not self.kept, "stepped in evaluation"
        super().step()

    @torch.no_grad()
    def eval(self) -> None:
        assert not self.kept
        self.kept = [p.clone() for p in self.param_groups[0]["params"]]
        for p in self.param_groups[0]["params"]:
            p.zero_()

    @torch.no_grad()
    def train(self) -> None:
        for p, old in zip(self.param_groups[0]["params"], self.kept, strict=False):
            p.copy_(old)
        self.kept = []


def nothing(params: list[Tensor], lr: float) -> str:
    """No optimiser at all."""
    return "nothing"
