"""Max-norm: after each step, scale units' incoming weights down to a bound (docs/reference/parity.md, section 7)."""

from collections.abc import Sequence

import torch
from torch import Tensor

# tf.keras's epsilon, which shrinks a unit inside the bound too, by one part in ten million at a norm of 1.
_EPSILON = 1e-7


@torch.no_grad()
def max_norm_(weights: Sequence[Tensor], bound: float | Tensor) -> Tensor:
    """Scale each row (a unit) of each weight matrix (out, in) to a norm of at most `bound`, in place.

    Of a convolution's (out, in, ...) each filter, as tf.keras with axis=[0, 1, 2].

    w·min(‖w‖, bound) / (‖w‖ + 1e-7), row by row. Returns the share of units that were outside the bound, a 0-dim tensor
    on their device. An infinite bound, given as a float, changes nothing.
    """
    if not len(weights) or (isinstance(bound, float) and bound == torch.inf):
        return torch.zeros(())
    norms = [torch.linalg.vector_norm(w, dim=list(range(1, w.ndim)), keepdim=True) for w in weights]
    limited = [n.clamp(max=bound) if isinstance(bound, float | int) else torch.minimum(n, bound) for n in norms]
    # As one tensor: torch's compiler would else divide anew for each weight.
    shares = torch.cat([(a / (n + _EPSILON)).flatten() for a, n in zip(limited, norms, strict=True)])
    for w, n, share in zip(weights, norms, shares.split([len(w) for w in weights]), strict=True):
        w.mul_(share.view_as(n))
    return torch.stack([(n > bound).sum() for n in norms]).sum() / sum(len(w) for w in weights)
