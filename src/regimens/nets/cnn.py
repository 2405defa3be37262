"""A small convolutional network: convolutions given as a list, then dense layers as those of the perceptron."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.nets.activations import activation_layer
from regimens.nets.initializers import Initializer
from regimens.nets.layout import Layout, picture_of
from regimens.nets.mlp import Dense, Dropping, checked_sizes, draw, dropouts, hidden_block
from regimens.nets.norm import Norm


@dataclass(frozen=True)
class Filters:
    """One convolution: `channels` filters of `kernel` x `kernel`, moved by `stride`, and a max-pooling of `pool`.

    The picture keeps its size at stride 1, padded with zeros, as tf.keras with padding="same".
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    pool: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"model.layers: {field.name}={value!r} must be a whole number, 1 or more")
        if self.kernel % 2 == 0:
            raise UserError(f"model.layers: kernel={self.kernel} must be odd, so that it has a centre")

    def after(self, size: int) -> int:
        """Pixels of a side that are left of `size`."""
        return ((size - 1) // self.stride + 1) // self.pool


class Conv(nn.Sequential):
    """One block: dropout, `conv`, then `norm` and `activation` in the order given, then `pool`; none without effect."""

    conv: nn.Conv2d

    def __init__(self, **parts: nn.Module | None) -> None:
        super().__init__(OrderedDict((name, part) for name, part in parts.items() if part is not None))


class Convolutional(nn.Module):
    """Pictures (N, C, H, W), or as rows (N, C * H * W) of the data's layout; logits out (N, n_outputs).

    layers: the blocks, convolutions first, the output layer last, named as the perceptron's: `layers.0.conv.weight`,
    `layers.2.linear.weight`.
    """

    def __init__(self, shape: Sequence[int], input_norm: nn.Module | None, layers: Sequence[nn.Module]) -> None:
        """shape: of one example as the data have it, (H, W), (H, W, C) or (C, H, W)."""
        super().__init__()
        self.picture = Layout(shape)
        self.input_norm = input_norm
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, n_outputs)."""
        x = self.picture(x)
        if self.input_norm is not None:
            x = self.input_norm(x)
        for layer in self.layers:
            x = layer(x)
        return x


class CNN(Convolutional):
    """Convolutions, each with its pooling, then dense layers: LeNet's kind."""

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        shape: Sequence[int],
        layers: Sequence[Mapping[str, int]],
        hidden: Sequence[int],
        init: Initializer,
        activation: Callable[..., nn.Module],
        norm: Norm,
        regularization: Dropping,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build and initialise; weights are drawn from `generator`, biases are zero.

        shape: of one example as the data have it, (H, W), (H, W, C) or (C, H, W). Raises UserError where examples are
        no pictures or too small for the layers, or a size is no positive integer.
        """
        checked_sizes(hidden)
        picture = checked_picture("cnn", shape, n_inputs)
        channels, *sides = picture
        blocks: list[nn.Module] = []
        for one in map(filters, layers):
            pool = nn.MaxPool2d(one.pool) if one.pool > 1 else None
            blocks.append(convolution(channels, one, activation, norm, regularization, pool))
            channels, sides = one.channels, [one.after(side) for side in sides]
            if min(sides) < 1:
                raise UserError(
                    f"model.layers: nothing is left of {picture[1]} x {picture[2]} pixels after {len(blocks)} layers: "
                    "pool less"
                )
        width = channels * sides[0] * sides[1]
        blocks += dense_blocks(width, n_outputs, hidden, activation, norm, regularization, nn.Flatten())
        super().__init__(shape, norm.planes(picture[0]) if norm.input else None, blocks)
        draw(self, init, generator)


def checked_picture(model: str, shape: Sequence[int], n_inputs: int) -> tuple[int, int, int]:
    """(channels, height, width) of examples of this shape; raises UserError where they are no pictures."""
    picture = picture_of(shape)
    if picture is None or picture[0] * picture[1] * picture[2] != n_inputs:
        raise UserError(
            f"model={model} takes pictures, and an example of these data has shape {tuple(shape)}: model=mlp"
        )
    return picture


def filters(node: object) -> Filters:
    """One entry of the list of layers; raises UserError where it is none."""
    if not isinstance(node, Mapping):
        raise UserError(f"model.layers: {node!r} must be a mapping, as in {{channels: 16, kernel: 3, pool: 2}}")
    known = [field.name for field in fields(Filters)]
    if unknown := sorted(set(node) - set(known)):
        raise UserError(f"model.layers: unknown key {unknown[0]!r}; a layer has {', '.join(known)}")
    if "channels" not in node:
        raise UserError(f"model.layers: {dict(node)} has no channels")
    return Filters(**node)


def convolution(
    channels: int,
    one: Filters,
    activation: Callable[..., nn.Module],
    norm: Norm,
    regularization: Dropping,
    pool: nn.Module | None = None,
) -> Conv:
    """A convolution of `channels` input channels with its dropout, norm and activation; `pool` comes last."""
    normalise = norm.planes(one.channels)
    activate: nn.Module | None = activation_layer(activation, one.channels)
    if isinstance(activate, nn.Identity):
        activate = None
    before = normalise is not None and norm.position == "before"
    conv = nn.Conv2d(channels, one.channels, one.kernel, one.stride, one.kernel // 2, bias=not before)
    order = {"norm": normalise, "activation": activate} if before else {"activation": activate, "norm": normalise}
    return Conv(**dropouts(regularization), conv=conv, **order, pool=pool)


def dense_blocks(
    width: int,
    n_outputs: int,
    hidden: Sequence[int],
    activation: Callable[..., nn.Module],
    norm: Norm,
    regularization: Dropping,
    flatten: nn.Module,
) -> list[nn.Module]:
    """Hidden dense layers and the output layer; `flatten` makes rows (N, width) of maps before the first of them."""
    blocks: list[nn.Module] = []
    first: nn.Module | None = flatten
    for units in hidden:
        blocks.append(hidden_block(width, units, activation, norm, regularization, first))
        width, first = units, None
    return [*blocks, Dense(flatten=first, **dropouts(regularization), linear=nn.Linear(width, n_outputs))]
