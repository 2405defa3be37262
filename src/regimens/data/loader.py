"""Index batches: one pass gives one epoch of mini-batches, in blocks, in an order fixed by (seed, epoch)."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from regimens.core.errors import UserError

if TYPE_CHECKING:
    import torch


# Most mini-batches, and examples, of a block: Lightning's loop costs a millisecond a block, and an eager one keeps its
# outputs.
MOST_BATCHES, MOST_EXAMPLES = 256, 32_768


class Blocks:
    """Deals the numbers 0..n-1 as mini-batches of `batch_size`, the last partial one kept, `block` batches at a time.

    block: by default as many as MOST_BATCHES and MOST_EXAMPLES allow, and at least one.

    A pass yields tuples of (batch,) int64 tensors. The order depends on `generator_seed` and the epoch alone, so two
    regimens with one seed see the same batches. Each pass is a new epoch; `set_epoch` says which one comes next.
    Raises UserError where `batch_size` is below 1.
    """

    def __init__(
        self, n: int, batch_size: int, generator_seed: int, block: int | None = None, shuffle: bool = True
    ) -> None:
        if batch_size < 1:
            raise UserError(f"batch_size={batch_size}: give 1 or more")
        if block is None:
            block = max(1, min(MOST_BATCHES, MOST_EXAMPLES // batch_size))
        if n < 1 or block < 1:
            raise ValueError(f"n={n}, block={block}: both must be 1 or more")
        self.n, self.batch_size, self.generator_seed, self.block, self.shuffle = (
            n,
            batch_size,
            generator_seed,
            block,
            shuffle,
        )
        self.epoch = 0

    @property
    def steps_per_epoch(self) -> int:
        """Mini-batches in an epoch (1719 for 55,000 examples in 32s)."""
        return -(-self.n // self.batch_size)

    def __len__(self) -> int:
        """Blocks in an epoch."""
        return -(-self.steps_per_epoch // self.block)

    def set_epoch(self, epoch: int) -> None:
        """The next pass is epoch `epoch` (from 0)."""
        self.epoch = epoch

    def order(self, epoch: int) -> "torch.Tensor":
        """The (n,) int64 order of the examples in `epoch`."""
        import torch

        if not self.shuffle:
            return torch.arange(self.n)
        digest = hashlib.sha256(f"batches/{self.generator_seed}/{epoch}".encode()).digest()
        return torch.randperm(self.n, generator=torch.Generator().manual_seed(int.from_bytes(digest[:4], "big")))

    def __iter__(self) -> "Iterator[tuple[torch.Tensor, ...]]":
        """One epoch. Starting a pass moves on to the next epoch."""
        blocks = self.order(self.epoch).split(self.batch_size * self.block)
        self.epoch += 1
        for block in blocks:
            yield block.split(self.batch_size)


class Chunks:
    """Validation in one chunk of indices at a time, where training takes a block: `blocks` of one batch each."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> "Iterator[torch.Tensor]":
        for (chunk,) in self.blocks:
            yield chunk
