"""Penalties and the regularisation record against formulas in float64 (docs/reference/parity.md, section 7)."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from regimens.core.errors import UserError
from regimens.training.regularization import Regularization


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.SELU(), nn.Linear(3, 2)).double()


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.01), (0.1, 0.01)])
def test_value_and_gradient_on_all_kernels_and_nothing_else(l1: float, l2: float) -> None:
    model = net()
    value = Regularization(l1=l1, l2=l2).penalty(model)
    value.backward()
    weights = [model[0].weight, model[3].weight]
    arrays = [w.detach().numpy() for w in weights]
    np.testing.assert_allclose(value.item(), sum(l1 * np.abs(w).sum() + l2 * (w**2).sum() for w in arrays), rtol=1e-12)
    for w, a in zip(weights, arrays, strict=True):
        np.testing.assert_allclose(w.grad, l1 * np.sign(a) + 2 * l2 * a, rtol=1e-12)
    assert model[0].bias.grad is None
    assert model[1].weight.grad is None


def test_off_is_a_plain_zero() -> None:
    off = Regularization()
    assert not off.penalises
    assert not off.constrains
    zero = off.penalty(net())
    assert zero.item() == 0.0
    assert not zero.requires_grad


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.5},
        {"dropout": 1.0},
        {"alpha_dropout": -0.1},
        {"l1": -1.0},
        {"l2": math.inf},
        {"l2": math.nan},
        {"max_norm": 0.0},
        {"patience": -1},
        {"patience": 2.5},
        {"mc_samples": -3},
    ],
)
def test_wrong_numbers_are_the_users_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"regularization.{next(iter(wrong))}="):
        Regularization(**wrong)
