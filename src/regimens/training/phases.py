"""Phases: training in stages, each with its own trainable part and a fresh optimiser, as transfer learning needs."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Phase:
    """`epochs` epochs in which the first `frozen` dense blocks stand still; `lr` None keeps the optimiser's own."""

    epochs: int
    frozen: int = 0
    lr: float | None = None


def freeze(blocks: Sequence[nn.Module], frozen: int) -> None:
    """Stop gradients of the first `frozen` blocks and let them go in all others; the head always learns."""
    frozen = min(frozen, len(blocks) - 1)
    for index, block in enumerate(blocks):
        block.requires_grad_(index >= frozen)


def rest(blocks: Sequence[nn.Module], frozen: int) -> None:
    """Put frozen blocks in evaluation mode: in Keras a frozen batch norm also keeps its statistics (PARITY.md, 8)."""
    for block in blocks[: min(frozen, len(blocks) - 1)]:
        block.eval()
