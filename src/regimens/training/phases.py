"""Phases: training in stages, each with its own trainable part and a fresh optimiser, as transfer learning needs.

As in tf.keras (docs/reference/parity.md, section 8).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Phase:
    """`epochs` epochs in which the first `frozen` blocks are frozen; `lr` None keeps the optimiser's own."""

    epochs: int
    frozen: int = 0
    lr: float | None = None


def freeze(blocks: Sequence[nn.Module], frozen: int) -> None:
    """Freeze the first `frozen` blocks and unfreeze all others; the output layer is never frozen."""
    frozen = min(frozen, len(blocks) - 1)
    for index, block in enumerate(blocks):
        block.requires_grad_(index >= frozen)


def rest(blocks: Sequence[nn.Module], frozen: int) -> None:
    """Put frozen blocks in evaluation mode: as in Keras, their batch-norm statistics stay."""
    for block in blocks[: min(frozen, len(blocks) - 1)]:
        block.eval()
