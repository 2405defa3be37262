"""Every activation and its gradient against closed formulas in float64 (docs/reference/parity.md, section 2)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.special import erf, expit
from torch import nn

from regimens.core.build import build
from regimens.nets.activations import activation_layer

CONF = Path(__file__).parents[2] / "conf" / "activation"
SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
# Away from 0 and the other kinks, where a gradient is a convention.
X = np.concatenate([np.linspace(-30, 30, 2405), [-100.0, 100.0, 3e-3, -3e-3]]) + 1e-4

Formula = Callable[[np.ndarray], np.ndarray]


def _tanh_softplus(x: np.ndarray) -> np.ndarray:
    return np.tanh(np.logaddexp(0, x))


FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "linear": (lambda x: x, np.ones_like),
    "sigmoid": (expit, lambda x: expit(x) * expit(-x)),
    "hard_sigmoid": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda x: 0.2 * (np.abs(x) < 2.5)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2),
    "softplus": (lambda x: np.logaddexp(0, x), expit),
    "exponential": (np.exp, np.exp),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.3 * x), lambda x: np.where(x > 0, 1, 0.3)),
    "rrelu": (lambda x: np.where(x > 0, x, 11 / 48 * x), lambda x: np.where(x > 0, 1, 11 / 48)),
    "prelu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "thresholded_relu": (lambda x: np.where(x > 1, x, 0), lambda x: (x > 1) * 1.0),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), lambda x: np.exp(np.minimum(x, 0))),
    "selu": (
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SCALE * np.where(x > 0, 1, ALPHA * np.exp(np.minimum(x, 0))),
    ),
    "swish": (lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x))),
    "gelu": (
        lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
        lambda x: 0.5 * (1 + erf(x / np.sqrt(2))) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "mish": (
        lambda x: x * _tanh_softplus(x),
        lambda x: _tanh_softplus(x) + x * (1 - _tanh_softplus(x) ** 2) * expit(x),
    ),
}
OPTIONS = sorted(path.stem for path in CONF.glob("*.yaml"))


def layer(option: str, units: int) -> nn.Module:
    return activation_layer(build(yaml.safe_load((CONF / f"{option}.yaml").read_text())), units).double()


@pytest.mark.parametrize("option", [option for option in OPTIONS if option in FORMULAS])
def test_value_and_gradient(option: str) -> None:
    x = torch.tensor(X[:, None], requires_grad=True)
    y = layer(option, 1).eval()(x)
    y.sum().backward()
    value, slope = FORMULAS[option]
    for ours, theirs in ((y.detach(), value(X)), (x.grad, slope(X))):
        assert ours is not None
        np.testing.assert_allclose(ours.numpy()[:, 0], theirs, rtol=1e-6, atol=1e-6)


def test_every_formula_has_an_option() -> None:
    assert set(FORMULAS) <= set(OPTIONS)


def test_prelu_learns_one_slope_for_each_unit_from_zero() -> None:
    prelu = layer("prelu", 7)
    assert torch.equal(prelu.weight, torch.zeros(7, dtype=torch.float64))


def test_rrelu_is_random_in_training_within_its_range() -> None:
    slopes = -layer("rrelu", 1).train()(-torch.ones(5000, 1, dtype=torch.float64))
    assert slopes.min() >= 1 / 8
    assert slopes.max() <= 1 / 3
    assert slopes.mean().item() == pytest.approx(11 / 48, abs=0.005)
    assert slopes.std().item() == pytest.approx((1 / 3 - 1 / 8) / 12**0.5, rel=0.05)
