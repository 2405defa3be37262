"""Weight penalties l1 Σ|w| + l2 Σw² on kernels, not on biases (docs/reference/parity.md, section 7)."""

from collections.abc import Sequence

import torch
from torch import Tensor

Strength = float | Tensor


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


def _off(strength: Strength) -> bool:
    return isinstance(strength, float | int) and strength == 0
