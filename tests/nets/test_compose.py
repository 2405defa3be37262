"""A network of the user's own gets the techniques that it takes, and none is silently ignored."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from regimens.core import plugins
from regimens.core.build import make
from regimens.core.errors import UserError
from regimens.nets.compose import network
from regimens.nets.norm import BatchNorm, ChannelsLast
from regimens.trial.regimen import plain
from tests.conftest import Compose


@pytest.fixture(autouse=True)
def permitted() -> Iterator[None]:
    plugins.permit(["tests"])
    yield
    plugins.permit([])


@pytest.fixture
def built(composed: Compose) -> Any:
    def make_it(target: str, *overrides: str, shape: tuple[int, ...] = (8, 8), n_inputs: int = 64) -> nn.Module:
        small = ("data=digits", "tracking=none")
        config = plain(composed(f"model._target_=tests.nets.own_nets.{target}", *overrides, small=small)[0])
        return network(
            config,
            n_inputs=n_inputs,
            n_outputs=3,
            shape=shape,
            regularization=make(config["regularization"]),
            generator=torch.Generator().manual_seed(5),
        )

    return make_it


def test_a_network_that_takes_nothing_is_initialised_from_the_seed(built: Any) -> None:
    one, same = built("Plain", "init=he_normal"), built("Plain", "init=he_normal")
    assert torch.equal(one.first.weight, same.first.weight)
    assert not one.first.bias.any()
    torch.manual_seed(1)
    mine = built("Plain", "init=own")
    torch.manual_seed(1)
    assert torch.equal(mine.first.weight, nn.Linear(64, 6).weight)


@pytest.mark.parametrize("scale", ["smoke", "desk", "full"])
def test_no_scale_gives_it_the_layers_of_the_default_network(built: Any, scale: str) -> None:
    assert type(built("Plain", f"scale={scale}")).__name__ == "Plain"


def test_what_it_takes_it_is_given_by_name(built: Any) -> None:
    net = built("Willing", "activation=elu", "norm=batch", "regularization.dropout=0.3", "+model.width=5")
    kinds = [type(part) for part in net.layers[0]]
    assert kinds == [nn.Conv2d, BatchNorm, nn.ELU, nn.Dropout]
    assert net.shape == (1, 8, 8)
    assert net.layers[0][0].out_channels == 5
    assert net.layers[0][3].p == 0.3
    assert isinstance(built("Willing", "norm=layer").layers[0][1], ChannelsLast)


@pytest.mark.parametrize(("shape", "row"), [((8, 8), (1, 8, 8)), ((6, 8, 3), (3, 6, 8)), ((3, 6, 8), (3, 6, 8))])
def test_pictures_come_as_channels_height_width(built: Any, shape: tuple[int, ...], row: tuple[int, ...]) -> None:
    numbers = torch.Size(shape).numel()
    net = built("Willing", shape=shape, n_inputs=numbers).eval()
    assert net.shape == row
    x = torch.randn(2, numbers)
    held = x.view(2, *shape)
    laid_out = held.movedim(-1, 1) if shape[-1] == 3 else held.view(2, *row)
    torch.testing.assert_close(net(x), net(laid_out))  # convolutions may round by layout


@pytest.mark.parametrize(
    ("target", "override", "message"),
    [
        ("Plain", "activation=selu", "takes no activation, so activation=SELU would have no effect"),
        ("Plain", "norm=batch", "takes no norm"),
        ("Plain", "regularization=dropout", "takes no dropout"),
        ("Plain", "regularization=alpha_dropout", "takes no alpha_dropout"),
        ("Plain", "probe=gradients", "probe=gradients"),
        ("Plain", "+model.depth=3", "unknown key 'depth'"),
        ("Plain", "model.hidden=[8]", "unknown key 'hidden'"),
        ("Willing", "norm=batch norm.position=before", "norm.position=before would have no effect"),
        ("Willing", "norm=batch norm.input=true", "norm.input=true would have no effect"),
        ("Willing", "regularization.mc_samples=3", "regimens.nets.dropout.Dropout"),
        ("Willing", "transfer=from_a transfer.checkpoint=x transfer.reuse=2", "there are 1 blocks to reuse"),
        ("Willing", "transfer=autoencoder", "transfer=Autoencoder in this form"),
        ("Plain", "transfer=from_a transfer.checkpoint=x transfer.reuse=1", "needs an attribute `layers`"),
        ("Unwilling", "norm=batch", "builds no layer of it"),
        ("Short", "seed=1", r"gives \(2, 2\) for two examples; needed are 3 outputs"),
        ("nothing", "seed=1", "no torch.nn.Module"),
        ("Missing", "seed=1", "no such class or function"),
    ],
)
def test_what_cannot_be_applied_is_refused_in_a_line(built: Any, target: str, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        built(target, *override.split())
    assert "\n" not in str(caught.value)


def test_a_table_is_no_picture(built: Any) -> None:
    assert built("Plain", shape=(13,), n_inputs=13)(torch.ones(2, 13)).shape == (2, 3)
    with pytest.raises(UserError, match="IndexError"):
        built("Willing", shape=(13,), n_inputs=13)
