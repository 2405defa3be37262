"""The convolutional network: what stands where, on pictures of every size, with every technique of the catalogue."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from regimens.core.build import build, make
from regimens.core.errors import UserError
from regimens.nets.cnn import CNN
from regimens.nets.dropout import Dropout
from regimens.nets.fuse import fuse
from regimens.nets.mlp import kernels
from regimens.nets.norm import BatchNorm, ChannelsLast, Norm
from regimens.training.regularization import Regularization
from tests.conftest import CONF

TWO = ({"channels": 4, "pool": 2}, {"channels": 6, "kernel": 5, "pool": 2})


def cnn(shape: tuple[int, ...] = (8, 8), layers: Any = TWO, *, hidden: Any = (10,), **given: Any) -> CNN:
    parts = {"init": nn.init.xavier_uniform_, "activation": nn.ReLU, "norm": Norm(), **given}
    held = parts.pop("regularization", Regularization())
    generator = torch.Generator().manual_seed(parts.pop("seed", 0))
    return CNN(
        math.prod(shape), 3, shape, layers, hidden, **parts, regularization=held, generator=generator
    )  # fmt: skip


def options(group: str) -> list[Path]:
    return sorted(path for path in (CONF / group).glob("*.yaml"))


def held(path: Path) -> dict[str, Any]:
    node = yaml.safe_load(path.read_text())
    if "defaults" in node:
        node = {**yaml.safe_load((path.parent / "none.yaml").read_text()), **node}
    return {key: math.inf if value == math.inf else value for key, value in node.items() if key != "defaults"}


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (32, 32, 3), (3, 32, 32), (9, 13)])
def test_the_networks_of_the_catalogue_take_pictures_of_every_size(shape: tuple[int, ...]) -> None:
    node = held(CONF / "model" / "cnn.yaml")
    net = cnn(shape, node["layers"], hidden=node["hidden"])
    x = torch.randn(5, math.prod(shape))
    assert net(x).shape == (5, 3)
    assert torch.equal(net(x), net(net.picture(x)))


def test_it_is_what_torch_gives_layer_by_layer() -> None:
    net, x = cnn(), torch.randn(5, 1, 8, 8)
    functional = nn.functional
    first, second, dense, last = kernels(net).values()
    y = functional.max_pool2d(functional.conv2d(x, first, padding=1).relu(), 2)
    y = functional.max_pool2d(functional.conv2d(y, second, padding=2).relu(), 2).flatten(1)
    torch.testing.assert_close(net(x), (y @ dense.T).relu() @ last.T)
    assert list(kernels(net)) == [
        *("layers.0.conv.weight", "layers.1.conv.weight", "layers.2.linear.weight", "layers.3.linear.weight"),
    ]


@pytest.mark.parametrize("option", [path.stem for path in options("init") if path.stem not in ("own", "identity")])
def test_initialisers_count_the_fans_of_a_convolution(option: str) -> None:
    """An independent reference: the same initialiser of a dense layer with as many inputs and outputs."""
    init = build(held(CONF / "init" / f"{option}.yaml"))
    net = cnn((16, 16), ({"channels": 64, "kernel": 3}, {"channels": 64, "kernel": 5}), init=init)
    weight = list(kernels(net).values())[1].detach()
    fan_in, fan_out = 64 * 25, 64 * 25
    wide = cnn((1, 1), hidden=(fan_in, fan_out), layers=({"channels": 1},), init=init)
    reference = list(kernels(wide).values())[2].detach()
    assert reference.shape == (fan_out, fan_in)
    if option == "orthogonal":
        torch.testing.assert_close(weight.flatten(1) @ weight.flatten(1).T, torch.eye(64), atol=1e-4, rtol=0)
    else:
        torch.testing.assert_close(weight.std(), reference.std(), rtol=0.02, atol=1e-6)
        torch.testing.assert_close(weight.mean(), reference.mean(), atol=float(reference.std()) / 20 + 1e-6, rtol=0)


def test_the_identity_leaves_a_picture_as_it_is() -> None:
    init = build(held(CONF / "init" / "identity.yaml"))
    net, x = cnn((8, 8), ({"channels": 1, "kernel": 3},), init=init), torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(net.layers[0](x), x)


@pytest.mark.parametrize("path", options("activation"), ids=lambda path: path.stem)
def test_every_activation_follows_a_convolution(path: Path) -> None:
    net = cnn(activation=build(held(path)))
    net(torch.rand(2, 64)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("path", options("regularization"), ids=lambda path: path.stem)
def test_every_regularisation_acts_on_convolutions(path: Path) -> None:
    record = make(held(path))
    net = cnn(regularization=record)
    weights = [weight.detach() for weight in kernels(net).values()]
    penalty = sum(record.l1 * float(w.abs().sum()) + record.l2 * float(w.square().sum()) for w in weights)
    assert record.penalty(net).item() == pytest.approx(penalty, rel=1e-5)
    dropouts = [module for module in net.modules() if isinstance(module, Dropout)]
    assert len(dropouts) == (4 if record.dropout or record.alpha_dropout else 0)
    for w in weights:
        w.mul_(100)
    record.constrain(net)
    for w in weights[:-1]:
        norms = w.flatten(1).norm(dim=1)
        assert (norms <= record.max_norm + 1e-4).all() if record.constrains else (norms > 1).any()


@pytest.mark.parametrize("path", options("norm"), ids=lambda path: path.stem)
@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("inputs", [True, False])
def test_every_norm_normalises_channels(path: Path, position: str, inputs: bool) -> None:
    net = cnn(norm=make({**held(path), "position": position, "input": inputs}))
    names = [name for name, _ in net.layers[0].named_children()]
    if path.stem == "none":
        assert names == ["conv", "activation", "pool"]
        return
    assert names == ["conv", *(("norm", "activation") if position == "before" else ("activation", "norm")), "pool"]
    assert (net.layers[0].conv.bias is None) == (position == "before")
    layer = net.layers[0].norm
    x = 3 * torch.randn(40, 4, 5, 6) + 2
    found = layer.train()(x)
    assert isinstance(layer, BatchNorm | ChannelsLast)
    axes = (0, 2, 3) if isinstance(layer, BatchNorm) else (1,)
    expected = (x - x.mean(axes, keepdim=True)) / (x.var(axes, correction=0, keepdim=True) + 0.001).sqrt()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("inputs", [True, False])
def test_a_fused_network_gives_the_same_logits(position: str, inputs: bool) -> None:
    net = cnn(norm=Norm(BatchNorm, position, inputs), regularization=Regularization(dropout=0.2))  # type: ignore[arg-type]
    for module in net.modules():
        if isinstance(module, BatchNorm):
            nn.init.uniform_(module.weight, -2, 2)
            nn.init.normal_(module.bias)
    for _ in range(50):
        net(3 * torch.randn(32, 64) + 1)
    x, fused = torch.randn(50, 64), fuse(net)
    torch.testing.assert_close(fused(x), net.eval()(x), atol=1e-4, rtol=1e-4)
    kinds = [type(module) for module in fused.modules()]
    assert Dropout not in kinds
    assert kinds.count(BatchNorm) == inputs + 2 * (position == "after")


@pytest.mark.parametrize(
    ("shape", "layers", "hidden", "message"),
    [
        ((13,), TWO, (10,), "takes pictures, and an example of these data has shape"),
        ((8, 8), ({"channels": 4, "pool": 2},) * 4, (10,), "nothing is left of 8 x 8 pixels after 4 layers"),
        ((8, 8), ({"channels": 0},), (10,), "channels=0 must be a whole number"),
        ((8, 8), ({"channels": 2, "kernel": 4},), (10,), "kernel=4 must be odd"),
        ((8, 8), ({"kernel": 3},), (10,), "has no channels"),
        ((8, 8), ({"channels": 3, "size": 3},), (10,), "unknown key 'size'"),
        ((8, 8), (16, 32), (10,), "16 must be a mapping"),
        ((8, 8), TWO, (0,), "model.hidden"),
    ],
)
def test_a_mistake_is_one_line(shape: Any, layers: Any, hidden: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        cnn(shape, layers, hidden=hidden)
    assert "\n" not in str(caught.value)
