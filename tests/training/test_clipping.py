"""Gradient clips against tf.keras's formulas in float64 (docs/reference/parity.md, section 4)."""

import numpy as np
import pytest
import torch
from torch.func import vmap

from regimens.core.errors import UserError
from regimens.training.clipping import Clip, ClipGlobalNorm, ClipNorm, ClipValue, NoClip

ALL = [NoClip, ClipValue, ClipNorm, ClipGlobalNorm]


def parameters(scale: float) -> tuple[list[torch.Tensor], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    grads = [scale * rng.normal(size=shape) for shape in ((5, 4), (5,), (2, 5))]
    params = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.tensor(g)
    return params, grads


def reference(clip: type[Clip], grads: list[np.ndarray], c: float) -> list[np.ndarray]:
    if clip is ClipValue:
        return [np.clip(g, -c, c) for g in grads]
    if clip is ClipNorm:
        return [g * c / max(np.linalg.norm(g), c) for g in grads]
    if clip is ClipGlobalNorm:
        norm = np.sqrt(sum(np.sum(g**2) for g in grads))
        return [g * c / max(norm, c) for g in grads]
    return grads


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("scale", [0.01, 0.4, 10.0])
def test_formula_and_whether_it_acted(kind: type[Clip], scale: float) -> None:
    params, grads = parameters(scale)
    clip = kind() if kind is NoClip else kind(1.0)
    acted = clip(params)
    expected = reference(kind, grads, 1.0)
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.grad, e, rtol=1e-12)
    changed = any((e != g).any() for e, g in zip(expected, grads, strict=True))
    assert acted.shape == ()
    assert acted.item() == float(changed)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [ClipValue, ClipNorm, ClipGlobalNorm])
def test_each_trial_its_own_bound_under_vmap(kind: type[Clip]) -> None:
    bounds = torch.tensor([0.1, 1.0, 1000.0], dtype=torch.float64)
    _, grads = parameters(1.0)
    stacked = [torch.stack([torch.tensor(g)] * 3) for g in grads]
    acted = vmap(kind.apply)(stacked, bounds)
    for i, bound in enumerate(bounds.tolist()):
        for s, e in zip(stacked, reference(kind, grads, bound), strict=True):
            np.testing.assert_allclose(s[i], e, rtol=1e-12)
    assert acted.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("kind", ALL)
def test_parameters_without_gradients(kind: type[Clip]) -> None:
    assert kind()([torch.ones(2)]).item() == 0.0


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan")])
def test_wrong_bounds_are_the_users_mistake(bound: float) -> None:
    with pytest.raises(UserError, match=r"clip\.bound"):
        ClipValue(bound)
