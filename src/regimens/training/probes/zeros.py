"""The zeros probe: how many weights a penalty leaves at zero, how many so near that nothing hangs on them.

A step along the subgradient of |w| takes a weight across zero and back, and hardly ever onto it; a sparse network is
what is left once the small weights are set to zero (magnitude pruning: Han et al. 2015, "Learning both weights and
connections for efficient neural networks").
"""

import copy

import torch
from torch import nn

from regimens.nets.mlp import kernels

NEAR = 1e-3  # He's initialisation of 784 inputs draws one weight in sixty as small


def near_share(net: nn.Module) -> float:
    """Share of kernel weights whose magnitude is below NEAR, zeros among them."""
    weights = list(kernels(net).values())
    return sum(int((w.abs() < NEAR).sum()) for w in weights) / sum(w.numel() for w in weights)


def pruned(net: nn.Module) -> nn.Module:
    """A copy of `net` whose kernel weights below NEAR are zero."""
    sparse = copy.deepcopy(net)
    with torch.no_grad():
        for weight in kernels(sparse).values():
            weight.masked_fill_(weight.abs() < NEAR, 0.0)
    return sparse
