"""The residual network: what He et al. published, and every technique's place in it."""

import math
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional

from regimens.core.errors import UserError
from regimens.nets.dropout import Dropout
from regimens.nets.fuse import fuse
from regimens.nets.mlp import blocks_of, kernels
from regimens.nets.norm import BatchNorm, ChannelsLast, Norm
from regimens.nets.resnet import Residual, ResNet
from regimens.training.probes.acted import dead_units
from regimens.training.regularization import Regularization
from tests.conftest import CONF

BEFORE = Norm(BatchNorm, "before")


def resnet(shape: tuple[int, ...] = (8, 8), widths: Any = (3, 5), blocks: Any = 1, **given: Any) -> ResNet:
    parts = {"init": nn.init.kaiming_normal_, "activation": nn.ReLU, "norm": Norm(), "hidden": (), **given}
    held = parts.pop("regularization", Regularization())
    generator = torch.Generator().manual_seed(0)
    return ResNet(math.prod(shape), 3, shape, widths, blocks, **parts, regularization=held, generator=generator)


@pytest.mark.parametrize(("blocks", "depth", "millions"), [(3, 20, 0.27), (5, 32, 0.46), (7, 44, 0.66), (9, 56, 0.85)])
def test_it_has_the_published_layers_and_parameters(blocks: int, depth: int, millions: float) -> None:
    """Table 6 of the paper, on CIFAR-10: 32 x 32 pictures of three colours, ten classes."""
    node = yaml.safe_load((CONF / "model" / "resnet.yaml").read_text())
    parts = {"init": nn.init.kaiming_normal_, "activation": nn.ReLU, "norm": BEFORE, "regularization": Regularization()}
    net = ResNet(3072, 10, (32, 32, 3), node["widths"], blocks, node["hidden"], **parts)
    assert node["blocks"] == 3
    assert len(kernels(net)) == depth
    assert round(sum(p.numel() for p in net.parameters()) / 1e6, 2) == millions
    assert net.eval()(torch.rand(2, 3072)).shape == (2, 10)


def test_it_is_what_torch_gives_layer_by_layer() -> None:
    net, x = resnet(), torch.randn(5, 64)
    stem, a, b, c, d, last = kernels(net).values()
    y = functional.conv2d(x.view(5, 1, 8, 8), stem, padding=1).relu()
    y = (functional.conv2d(functional.conv2d(y, a, padding=1).relu(), b, padding=1) + y).relu()
    z = functional.conv2d(functional.conv2d(y, c, stride=2, padding=1).relu(), d, padding=1)
    z = (z + torch.cat([y[:, :, ::2, ::2], torch.zeros(5, 2, 4, 4)], 1)).relu()
    torch.testing.assert_close(net(x), z.mean((2, 3)) @ last.T)


@pytest.mark.parametrize("shape", [(28, 28), (7, 9), (32, 32, 3), (3, 5, 5)])
def test_it_takes_pictures_of_every_size(shape: tuple[int, ...]) -> None:
    net = resnet(shape, (2, 4, 4), 2, hidden=(6,))
    assert net(torch.rand(4, math.prod(shape))).shape == (4, 3)


@pytest.mark.parametrize("layer", [BatchNorm, nn.LayerNorm])
@pytest.mark.parametrize("position", ["before", "after"])
def test_every_convolution_is_normalised(layer: Any, position: Any) -> None:
    net = resnet(norm=Norm(layer, position, input=True), hidden=(4,))
    kinds = [type(module) for module in net.modules()]
    assert kinds.count(BatchNorm if layer is BatchNorm else ChannelsLast) == 1 + 5 + (layer is BatchNorm)
    assert isinstance(net.layers[1], Residual)
    # The activation of a block's second layer comes after the sum.
    assert [name for name, _ in net.layers[1].second.named_children()] == ["conv", "norm"]
    assert (net.layers[1].second.conv.bias is None) == (position == "before")


@pytest.mark.parametrize("position", ["before", "after"])
def test_a_fused_network_gives_the_same_logits(position: Any) -> None:
    net = resnet(norm=Norm(BatchNorm, position, True), regularization=Regularization(dropout=0.2), hidden=(6,))
    for module in net.modules():
        if isinstance(module, BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    for _ in range(50):
        net(3 * torch.randn(32, 64) + 1)
    x, fused = torch.randn(50, 64), fuse(net)
    torch.testing.assert_close(fused(x), net.eval()(x), atol=1e-3, rtol=1e-4)
    kinds = [type(module) for module in fused.modules()]
    assert Dropout not in kinds
    # In front of the next convolution, whose border of zeros knows no shift, a norm stays; that of a block's second
    # layer comes right after its convolution in either position.
    assert kinds.count(BatchNorm) == 1 + (3 if position == "after" else 0)


def test_penalty_bound_and_dropout_reach_every_convolution() -> None:
    record = Regularization(l2=0.1, dropout=0.1, max_norm=0.5)
    net = resnet(regularization=record)
    weights = [weight.detach() for weight in kernels(net).values()]
    assert record.penalty(net).item() == pytest.approx(0.1 * sum(float(w.square().sum()) for w in weights), rel=1e-5)
    assert sum(isinstance(module, Dropout) for module in net.modules()) == len(weights) == 6
    record.constrain(net)
    assert all((w.flatten(1).norm(dim=1) <= 0.5 + 1e-5).all() for w in weights[:-1])


def test_dead_channels_of_every_layer_are_counted() -> None:
    net = resnet()

    def share() -> float:
        return float(dead_units(net, torch.rand(20, 64))["dead_units"]["share"])

    before = share()
    with torch.no_grad():
        net.layers[1].first.conv.weight[0] = 0
        net.layers[1].first.conv.bias[0] = -1
    assert share() == pytest.approx(before + 1 / (3 + 3 + 3 + 5 + 5))
    assert len(blocks_of(net)) == 4


@pytest.mark.parametrize(
    ("shape", "widths", "blocks", "message"),
    [
        ((13,), (3,), 1, "model=resnet takes pictures, and an example of these data has shape"),
        ((8, 8), (), 1, "at least as many channels"),
        ((8, 8), (5, 3), 1, "at least as many channels"),
        ((8, 8), (3, 0), 1, "0 is none"),
        ((8, 8), (3, 5), 0, "0 is none"),
        ((8, 8), (3, 5), 1.5, "1.5 is none"),
        ((8, 8), (3, True), 1, "True is none"),
    ],
)
def test_a_mistake_is_one_line(shape: Any, widths: Any, blocks: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        resnet(shape, widths, blocks)
    assert "\n" not in str(caught.value)
