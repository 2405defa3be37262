import pytest
import torch

from regimens.core.errors import UserError
from regimens.data.loader import Blocks


def flat(blocks: Blocks) -> list[int]:
    return [index for block in blocks for batch in block for index in batch.tolist()]


def test_an_epoch_deals_every_example_once_and_keeps_the_partial_batch() -> None:
    blocks = Blocks(200, 32, generator_seed=1, block=3)
    dealt = list(blocks)
    assert [len(block) for block in dealt] == [3, 3, 1]
    assert [len(batch) for block in dealt for batch in block] == [32] * 6 + [8]
    assert sorted(index.item() for block in dealt for batch in block for index in batch) == list(range(200))
    assert all(batch.dtype == torch.int64 for block in dealt for batch in block)
    assert (blocks.steps_per_epoch, len(blocks)) == (7, 3)
    assert Blocks(55_000, 32, 0).steps_per_epoch == 1719


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one, other = Blocks(100, 7, generator_seed=5), Blocks(100, 9, generator_seed=5, block=2)
    first, second = flat(one), flat(one)
    assert first != second
    assert [flat(other), flat(other)] == [first, second]
    assert flat(Blocks(100, 7, generator_seed=6)) != first
    one.set_epoch(0)
    assert flat(one) == first
    one.set_epoch(1)
    assert flat(one) == second


def test_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = flat(Blocks(50, 8, 3))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(1)
    assert flat(Blocks(50, 8, 3)) == first


def test_unshuffled_is_in_order() -> None:
    assert flat(Blocks(50, 8, 3, shuffle=False)) == list(range(50))


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="batch_size=0"):
        Blocks(50, 0, 3)


def test_a_block_is_as_large_as_keeps_its_outputs_small() -> None:
    sizes = {batch: Blocks(100_000, batch, 0).block for batch in (1, 32, 128, 1024, 100_000)}
    assert sizes == {1: 256, 32: 256, 128: 256, 1024: 32, 100_000: 1}
