"""A network's outputs for many examples are those for each of them."""

import pytest
import torch
from torch import nn

from regimens.nets.outputs import outputs_of


@pytest.mark.parametrize("n", [0, 1, 199, 200, 201, 1000])
def test_outputs_are_those_of_all_at_once_in_their_order(n: int) -> None:
    net = nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 3)).eval()
    x = torch.randn(n, 7)
    found = outputs_of(net, x)
    assert found.shape == (n, 3)
    assert not found.requires_grad
    torch.testing.assert_close(found, net(x).detach())


def test_few_examples_are_in_the_network_at_once() -> None:
    sizes: list[int] = []
    net = nn.Identity()
    net.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    outputs_of(net, torch.zeros(1001, 2))
    assert sum(sizes) == 1001
    assert max(sizes) <= 200
