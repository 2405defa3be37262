"""Every regularisation of the catalogue in one record of plain numbers, so that overriding values combines them."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from regimens.nets.mlp import kernels
from regimens.training import checks
from regimens.training.constraints import max_norm_
from regimens.training.penalties import penalty


@dataclass(frozen=True)
class Regularization:
    """The strengths of all regularisers; every default means off.

    l1, l2: penalties on all kernels, dense or of convolutions, added to the loss that is reported.
    dropout, alpha_dropout: share dropped before every layer with a kernel, inputs included.
    max_norm: bound on each hidden unit's (or filter's) incoming weights; infinity means none.
    mixup: both parameters of the beta distribution of how much of its neighbour each example gets; 0 means none.
    patience: epochs without a better validation loss before training stops; 0 means no early stopping.
    mc_samples: passes of Monte Carlo dropout at evaluation; 0 means none.
    """

    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    alpha_dropout: float = 0.0
    max_norm: float = math.inf
    mixup: float = 0.0
    patience: int = 0
    mc_samples: int = 0

    def __post_init__(self) -> None:
        for name in ("l1", "l2", "mixup"):
            checks.not_negative(f"regularization.{name}", getattr(self, name))
        for name in ("dropout", "alpha_dropout"):
            checks.share(f"regularization.{name}", getattr(self, name))
        checks.bound("regularization.max_norm", self.max_norm)
        for name in ("patience", "mc_samples"):
            checks.whole(f"regularization.{name}", getattr(self, name))

    @property
    def penalises(self) -> bool:
        """Whether the loss has a penalty."""
        return self.l1 > 0 or self.l2 > 0

    @property
    def constrains(self) -> bool:
        """Whether hidden units' weights are bounded."""
        return self.max_norm < math.inf

    @property
    def mixes(self) -> bool:
        """Whether training examples are mixed."""
        return self.mixup > 0

    def penalty(self, net: nn.Module) -> Tensor:
        """Return the penalty on `net`'s kernels, a 0-dim tensor."""
        return penalty(list(kernels(net).values()), self.l1, self.l2)

    def constrain(self, net: nn.Module) -> Tensor:
        """Apply max-norm to `net`'s hidden kernels in place; return the share of units outside the bound, 0-dim."""
        return max_norm_(list(kernels(net).values())[:-1], self.max_norm)
