"""Weight penalties l1 Σ|w| + l2 Σw² on dense kernels, biases left out (PARITY.md, section 7).

Two ways to the same numbers: `penalty` is differentiable and goes into the loss; `penalty_gradient_` adds its
gradient, which is known in closed form, to `.grad` without building a graph, and saves two passes over the kernels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Strength = float | Tensor


def kernels(net: nn.Module) -> list[Tensor]:
    """Return the weight matrices (out, in) of every dense layer of `net`, hidden and output, in order."""
    return [module.weight for module in net.modules() if isinstance(module, nn.Linear)]


def penalty(weights: Sequence[Tensor], l1: Strength = 0.0, l2: Strength = 0.0) -> Tensor:
    """Return l1 Σ|w| + l2 Σw² over `weights`, a 0-dim tensor; a strength that is the float 0 costs nothing."""
    terms = []
    for w in weights:
        flat = w.flatten()
        if not _off(l1):
            terms.append(l1 * flat.abs().sum())
        if not _off(l2):
            terms.append(l2 * torch.dot(flat, flat))
    return torch.stack(terms).sum() if terms else torch.zeros(())


@torch.no_grad()
def penalty_gradient_(weights: Sequence[Tensor], l1: float = 0.0, l2: float = 0.0) -> None:
    """Add the gradient of `penalty`, l1 sign(w) + 2 l2 w, to each weight's `.grad` in place."""
    for w in weights:
        if w.grad is None:
            continue
        if l1:
            w.grad.add_(w.sign(), alpha=l1)
        if l2:
            w.grad.add_(w, alpha=2 * l2)


def _off(strength: Strength) -> bool:
    return isinstance(strength, float | int) and strength == 0
