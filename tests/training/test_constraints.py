"""Max-norm against tf.keras's formula in float64 (docs/reference/parity.md, section 7)."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import vmap

from regimens.training.constraints import max_norm_
from regimens.training.regularization import Regularization


def reference(w: np.ndarray, c: float) -> np.ndarray:
    """tf.keras on its own (in, out) kernel, axis 0."""
    kernel = w.T
    norms = np.sqrt(np.sum(kernel**2, axis=0, keepdims=True))
    return (kernel * np.clip(norms, 0, c) / (1e-7 + norms)).T


@pytest.mark.parametrize("bound", [0.5, 1.0, 2.0, 100.0])
def test_formula_and_share(bound: float) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 0.5, shape) for shape in ((6, 4), (3, 6))]
    weights = [torch.tensor(a) for a in arrays]
    share = max_norm_(weights, bound)
    for w, a in zip(weights, arrays, strict=True):
        np.testing.assert_allclose(w, reference(a, bound), rtol=1e-12)
        assert (w.norm(dim=1) <= bound).all()
    norms = np.concatenate([np.linalg.norm(a, axis=1) for a in arrays])
    assert share.shape == ()
    assert share.item() == pytest.approx((norms > bound).mean())


def test_output_layer_is_free_and_inf_is_off() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.SELU(), nn.Linear(3, 2))
    nn.init.ones_(net[0].weight)
    nn.init.ones_(net[2].weight)
    assert Regularization().constrain(net).item() == 0.0
    assert (net[0].weight == 1).all()
    assert Regularization(max_norm=1).constrain(net).item() == 1.0
    assert torch.allclose(net[0].weight, torch.tensor(0.5))
    assert (net[2].weight == 1).all()


def test_a_unit_of_zeros_stays_zero() -> None:
    w = torch.zeros(2, 3)
    assert max_norm_([w], 1.0).item() == 0.0
    assert (w == 0).all()


@pytest.mark.filterwarnings("error")
def test_each_trial_its_own_bound_under_vmap() -> None:
    w = torch.randn(2, 5, 4, dtype=torch.float64)
    arrays, bounds = w.numpy().copy(), torch.tensor([0.5, 2.0], dtype=torch.float64)
    vmap(lambda w, c: max_norm_([w], c))(w, bounds)
    for i, bound in enumerate(bounds.tolist()):
        np.testing.assert_allclose(w[i], reference(arrays[i], bound), rtol=1e-12)
