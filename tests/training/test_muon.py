"""Muon against its formula, computed from a singular value decomposition in double precision."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from regimens.core.errors import UserError
from regimens.nets.mlp import kernels
from regimens.training.muon import Muon
from regimens.training.optimizers import adamw
from tests.conftest import Train


def orthogonalised(m: np.ndarray) -> np.ndarray:
    """Five Newton-Schulz iterations act on singular values alone: s -> a s + b s³ + c s⁵, from s / ‖m‖."""
    u, s, vt = np.linalg.svd(m, full_matrices=False)
    s = s / np.linalg.norm(m)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ vt


def net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Flatten(), nn.Linear(20, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))


def test_hidden_kernels_follow_the_formula_and_the_rest_adamw() -> None:
    ours, reference = net(), net()
    hidden = {name: ours.get_parameter(name) for name in ("0.weight", "2.weight")}
    weights = {name: p.detach().numpy().reshape(len(p), -1).astype(np.float64) for name, p in hidden.items()}
    momenta = {name: np.zeros_like(w) for name, w in weights.items()}
    muon = Muon(list(ours.parameters()), lr=0.01)
    rest = [p for name, p in reference.named_parameters() if name not in hidden]
    other = adamw(rest, lr=0.01, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    for step in range(5):
        lr = 0.01 / (1 + step)
        for group in [*muon.param_groups, *other.param_groups]:
            group["lr"] = lr
        for p, q in zip(ours.parameters(), reference.parameters(), strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        for name, p in hidden.items():
            g = p.grad.numpy().reshape(len(p), -1).astype(np.float64)
            momenta[name] = 0.95 * momenta[name] + 0.05 * g
            ahead = 0.95 * momenta[name] + 0.05 * g
            size = 0.2 * math.sqrt(max(weights[name].shape))
            weights[name] = weights[name] * (1 - lr * 0.1) - lr * size * orthogonalised(ahead)
        muon.step()
        other.step()
    for name, p in ours.named_parameters():
        if name in hidden:  # torch's iterations have eight bits: a hundredth of the 0.02 that a weight moved
            moved = p.detach().numpy().reshape(len(p), -1)
            assert np.abs(moved - weights[name]).max() < 0.0005
            assert (
                np.abs(moved - dict(net().named_parameters())[name].detach().numpy().reshape(len(p), -1)).max() > 0.005
            )
        else:
            torch.testing.assert_close(p, reference.get_parameter(name))


def test_without_a_hidden_layer_it_is_adamw() -> None:
    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    two.load_state_dict(one.state_dict())
    for module, optimizer in ((one, Muon(list(one.parameters()))), (two, adamw(two.parameters(), weight_decay=0.1))):
        module(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    torch.testing.assert_close(one.weight, two.weight, rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}, {"beta_1": 1.0}])
def test_a_mistake_is_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"optimizer.{next(iter(wrong))}"):
        Muon(list(net().parameters()), **wrong)


@pytest.mark.parametrize("model", [["model=mlp"], ["model=cnn", "model.layers=[{channels: 3, pool: 2}]"]])
def test_it_trains_networks_with_schedules_and_says_why_it_is_not_compiled(model: list[str], train: Train) -> None:
    result = train(
        *model, "optimizer=muon", "optimizer.lr=0.02", "scheduler=exp", "engine=compiled", "epochs=4", "init=he_normal"
    )
    assert result.status == "completed"
    assert (result.metrics["train/loss"] or 9) < 2.1 < math.log(10)
    assert "Muon" in result.provenance["engine_note"]
    assert result.acted["scheduler"]["acted"]


def test_frozen_layers_are_left_alone(train: Train, tmp_path: Any) -> None:
    from safetensors.torch import load_file

    train("optimizer=muon", "task=a", into="a")
    reuse = ["task=b", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "transfer.reuse=2"]
    train("optimizer=muon", *reuse, "transfer.freeze_epochs=2", into="b")
    a, b = (load_file(tmp_path / name / "final.safetensors") for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in ("layers.0.linear.weight", "layers.1.linear.weight"))
    assert len(kernels(net())) == 3
