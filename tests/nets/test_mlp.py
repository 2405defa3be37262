"""The network's structure: what stands where, what it is called, and that very deep ones work."""

from typing import Any

import pytest
import torch
from torch import nn

from regimens.core.errors import UserError
from regimens.nets.activations import activation_layer
from regimens.nets.initializers import variance_scaling
from regimens.nets.mlp import MLP, kernels
from regimens.nets.norm import BatchNorm, Norm
from regimens.training.regularization import Regularization


def mlp(hidden: Any = (30, 20), *, norm: Norm | None = None, seed: int = 0, **regularization: Any) -> MLP:
    return MLP(
        12,
        3,
        hidden,
        init=nn.init.xavier_uniform_,
        activation=nn.SELU,
        norm=norm or Norm(),
        regularization=Regularization(**regularization),
        generator=torch.Generator().manual_seed(seed),
    )


def parts(net: MLP) -> list[list[str]]:
    return [[name for name, _ in block.named_children()] for block in net.blocks]


def test_plain_net_is_linear_activation_pairs_with_zero_biases() -> None:
    net = mlp()
    assert parts(net) == [["linear", "activation"], ["linear", "activation"], ["linear"]]
    assert [tuple(k.shape) for k in kernels(net).values()] == [(30, 12), (20, 30), (3, 20)]
    assert all((block.linear.bias == 0).all() for block in net.blocks)
    assert "layers.0.linear.weight" in net.state_dict()


def test_forward_flattens_images() -> None:
    net = mlp()
    x = torch.randn(5, 3, 4)
    assert torch.equal(net(x), net(x.flatten(1)))
    w0, w1, w2 = kernels(net).values()
    expected = nn.functional.selu(nn.functional.selu(x.flatten(1) @ w0.T) @ w1.T) @ w2.T
    assert torch.allclose(net(x), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["dropout", "alpha_dropout"])
def test_dropout_stands_before_every_dense_layer(kind: str) -> None:
    net = mlp(**{kind: 0.2})
    assert parts(net) == [[kind, "linear", "activation"], [kind, "linear", "activation"], [kind, "linear"]]
    assert not torch.equal(net(torch.ones(2, 12)), net(torch.ones(2, 12)))
    net.eval()
    assert torch.equal(net(torch.ones(2, 12)), net(torch.ones(2, 12)))


def test_norm_before_the_activation_takes_the_bias_of_hidden_layers() -> None:
    net = mlp(norm=Norm(BatchNorm, "before", input=True))
    assert parts(net) == [["linear", "norm", "activation"], ["linear", "norm", "activation"], ["linear"]]
    assert [block.linear.bias is None for block in net.blocks] == [True, True, False]
    assert isinstance(net.input_norm, BatchNorm)


def test_norm_after_the_activation_keeps_the_bias() -> None:
    net = mlp(norm=Norm(BatchNorm, "after"))
    assert parts(net)[0] == ["linear", "activation", "norm"]
    assert net.input_norm is None
    assert all(block.linear.bias is not None for block in net.blocks)


def test_no_norm_before_the_activation_keeps_the_bias() -> None:
    assert all(block.linear.bias is not None for block in mlp(norm=Norm(position="before")).blocks)


def test_first_layers_of_two_nets_can_be_exchanged() -> None:
    a, b = mlp((30, 20, 10), seed=1), mlp((30, 20), seed=2)
    b.layers[1].load_state_dict(a.layers[1].state_dict())
    assert torch.equal(a.layers[1].linear.weight, b.layers[1].linear.weight)


def test_same_seed_same_net() -> None:
    assert all(torch.equal(a, b) for a, b in zip(mlp().parameters(), mlp().parameters(), strict=True))


def test_a_hundred_selu_layers_keep_their_variance() -> None:
    net = MLP(
        784,
        10,
        [300] + 99 * [100],
        variance_scaling,
        nn.SELU,
        Norm(),
        Regularization(),
        torch.Generator().manual_seed(0),
    )
    x = torch.randn(200, 784, generator=torch.Generator().manual_seed(1))
    for block in net.blocks[:-1]:
        x = block(x)
    assert 0.5 < x.std() < 1.5


def test_linear_activation_adds_no_module() -> None:
    assert isinstance(activation_layer(nn.Identity, 3), nn.Identity)
    net = MLP(4, 2, [3], nn.init.ones_, nn.Identity, Norm(), Regularization())
    assert parts(net) == [["linear"], ["linear"]]


@pytest.mark.parametrize("hidden", [[0], [3, -1], [2.5], ["a"], [True]])
def test_wrong_sizes_are_the_users_mistake(hidden: list) -> None:
    with pytest.raises(UserError, match=r"model\.hidden"):
        mlp(hidden)
