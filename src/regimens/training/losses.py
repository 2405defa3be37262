"""Losses on logits, and the number of correct predictions, for many classes and for two.

As tf.keras computes them (docs/reference/parity.md, section 8)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Objective:
    """`loss(logits, y)`: mean over samples; `right(logits, y)`: (N,) bool, whether each prediction is right."""

    loss: Callable[[Tensor, Tensor], Tensor]
    right: Callable[[Tensor, Tensor], Tensor]

    def correct(self, logits: Tensor, y: Tensor) -> Tensor:
        """How many predictions are right, 0-dim."""
        return self.right(logits, y).sum()


def multiclass() -> Objective:
    """Softmax cross-entropy on logits (N, C), labels int64 (N,)."""
    return MULTICLASS


def binary() -> Objective:
    """Sigmoid cross-entropy on logits (N, 1), labels float 0/1 (N,); positive where p > .5, strictly."""
    return BINARY


# Two objects for good, so that what is made for one objective is known to fit the next trial's.
MULTICLASS = Objective(F.cross_entropy, lambda logits, y: logits.argmax(1) == y)
BINARY = Objective(
    lambda logits, y: F.binary_cross_entropy_with_logits(logits.squeeze(1), y),
    lambda logits, y: (logits.squeeze(1) > 0) == (y > 0.5),
)
