"""Batch normalisation against tf.keras's formulas in float64: training, running statistics, evaluation."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, vmap

from regimens.core.errors import UserError
from regimens.nets.norm import BatchNorm, Norm


def batches(steps: int, n: int = 8, units: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(1.5, 2.0, (n, units)) for _ in range(steps)]


def test_training_running_statistics_and_evaluation() -> None:
    layer = BatchNorm(5).double()
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.5, 2, 5))
        layer.bias.copy_(torch.linspace(-1, 1, 5))
    gamma, beta = np.linspace(0.5, 2, 5), np.linspace(-1, 1, 5)
    mean, variance = np.zeros(5), np.ones(5)
    for x in batches(30):
        y = layer(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(y, gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) + beta, atol=1e-9)
        mean, variance = 0.99 * mean + 0.01 * x.mean(0), 0.99 * variance + 0.01 * x.var(0)
    np.testing.assert_allclose(layer.running_mean, mean, atol=1e-9)
    np.testing.assert_allclose(layer.running_var, variance, atol=1e-9)
    layer.eval()
    x = batches(1)[0]
    expected = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, atol=1e-9)
    np.testing.assert_allclose(layer.running_mean, mean, atol=1e-9)


def test_gradient_is_that_of_the_formula() -> None:
    layer = BatchNorm(3).double()
    assert torch.autograd.gradcheck(
        lambda x, w, b: functional_call(layer, {"weight": w, "bias": b}, (x,)),
        tuple(torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((6, 3), (3,), (3,))),
    )


def test_a_batch_of_one_trains() -> None:
    layer = BatchNorm(2)
    assert torch.allclose(layer(torch.tensor([[3.0, -4.0]])), torch.zeros(1, 2), atol=1e-5)
    assert torch.allclose(layer.running_mean, torch.tensor([0.03, -0.04]))


def test_a_state_dict_without_metadata_loads() -> None:
    layer, other = BatchNorm(2), BatchNorm(2)
    layer(torch.randn(4, 2))
    other.load_state_dict(dict(layer.state_dict()))
    assert torch.equal(layer.running_var, other.running_var)
    assert sorted(layer.state_dict()) == ["bias", "running_mean", "running_var", "weight"]


def test_works_under_grad_and_vmap() -> None:
    layer = BatchNorm(4).double()
    params, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
    stacked = {name: torch.stack([b, b]) for name, b in buffers.items()}
    xs = torch.randn(2, 8, 4, dtype=torch.float64)

    def loss(params: dict, buffers: dict, x: torch.Tensor) -> torch.Tensor:
        return functional_call(layer, (params, buffers), (x,)).pow(3).sum()

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(params, stacked, xs)
    for i, x in enumerate(xs):
        plain = BatchNorm(4).double()
        plain(x).pow(3).sum().backward()
        assert torch.allclose(gradients["weight"][i], plain.weight.grad, atol=1e-9)
        assert torch.allclose(stacked["running_var"][i], plain.running_var, atol=1e-12)


def test_none_is_nothing_and_a_wrong_position_is_the_users_mistake() -> None:
    assert Norm().module(3) is None
    with pytest.raises(UserError, match=r"norm\.position=middle"):
        Norm(position="middle")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="momentum"):
        BatchNorm(3, momentum=0.0)
