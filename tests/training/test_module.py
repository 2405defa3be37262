"""The training module's own loop, which every engine is compared with."""

import pytest
import torch

from regimens.data.loader import Blocks
from tests.training.small_modules import BATCH, N, examples, regimen, train


def test_the_eager_engine_is_a_plain_loop_of_torchs_own_bit_for_bit() -> None:
    module = regimen("optimizer=sgd", "activation=relu")
    dense = [torch.nn.Linear(a, b).double() for a, b in ((20, 12), (12, 9), (9, 3))]
    plain = torch.nn.Sequential(dense[0], torch.nn.ReLU(), dense[1], torch.nn.ReLU(), dense[2])
    with torch.no_grad():
        for own, theirs in zip(plain.parameters(), module.net.parameters(), strict=True):
            own.copy_(theirs)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01)
    x, y = examples()
    for batch in Blocks(N, BATCH, 3).order(0).split(BATCH):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(plain(x[batch]), y[batch]).backward()
        optimizer.step()
    train(module)
    for own, theirs in zip(plain.parameters(), module.net.parameters(), strict=True):
        assert torch.equal(own, theirs)


@pytest.mark.thorough
def test_a_block_of_any_length_is_the_plain_loop_bit_for_bit() -> None:
    overrides = ["optimizer=nadam", "norm=batch", "regularization=dropout", "clip=norm"]
    once = train(regimen(*overrides), block=64)
    for block in (1, 7):
        for name, value in train(regimen(*overrides), block).items():
            if name != "sums":
                assert torch.equal(value, once[name]), name
