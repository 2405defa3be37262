"""The residual network of He et al., "Deep Residual Learning for Image Recognition", 2015, for small pictures (4.2)."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.nets.activations import activation_layer
from regimens.nets.cnn import Convolutional, Filters, checked_picture, convolution, dense_blocks
from regimens.nets.initializers import Initializer
from regimens.nets.mlp import Dropping, checked_sizes, draw
from regimens.nets.norm import Norm


class Residual(nn.Module):
    """activation(second(first(x)) + x): two convolutions of 3 x 3, of which the first may halve height and width.

    Where the shapes differ, every second place of x and zeros for the new channels: the paper's option A, which has no
    weights.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        stride: int,
        activation: Callable[..., nn.Module],
        norm: Norm,
        regularization: Dropping,
    ) -> None:
        super().__init__()
        self.first = convolution(channels, Filters(width, 3, stride), activation, norm, regularization)
        self.second = convolution(width, Filters(width, 3), nn.Identity, norm, regularization)
        self.activation = activation_layer(activation, width)
        self.added, self.stride = width - channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, ⌈H / stride⌉, ⌈W / stride⌉) of x (N, channels, H, W)."""
        short = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        if self.added:
            short = nn.functional.pad(short, (0, 0, 0, 0, 0, self.added))
        y: Tensor = self.activation(self.second(self.first(x)) + short)
        return y

    def extra_repr(self) -> str:
        """The stride: two blocks that differ in it are not of one kind."""
        return f"stride={self.stride}"


class Mean(nn.Module):
    """Maps (N, C, H, W) to their means (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """The mean of each map."""
        return x.mean((2, 3))


class ResNet(Convolutional):
    """A convolution, stages of residual blocks, each stage but the first at half the height and width, their mean.

    [16, 32, 64] with 3 blocks is ResNet-20 (its 20 layers with weights); 5, 7 and 9 blocks are ResNet-32, -44 and -56.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        shape: Sequence[int],
        widths: Sequence[int],
        blocks: int,
        hidden: Sequence[int],
        init: Initializer,
        activation: Callable[..., nn.Module],
        norm: Norm,
        regularization: Dropping,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build and initialise; weights are drawn from `generator`, biases are zero.

        widths: channels of each stage; blocks: residual blocks of a stage; hidden: units of dense layers before the
        output. Raises UserError where examples are no pictures, or a size is no positive integer.
        """
        checked_sizes(hidden)
        residual = stages(widths, blocks)
        picture = checked_picture("resnet", shape, n_inputs)
        layers: list[nn.Module] = [convolution(picture[0], Filters(widths[0]), activation, norm, regularization)]
        layers += [Residual(*sizes, activation, norm, regularization) for sizes in residual]
        layers += dense_blocks(widths[-1], n_outputs, hidden, activation, norm, regularization, Mean())
        super().__init__(shape, norm.planes(picture[0]) if norm.input else None, layers)
        draw(self, init, generator)


def stages(widths: Sequence[int], blocks: int) -> list[tuple[int, int, int]]:
    """(channels in, channels out, stride) of each residual block; raises UserError where a number is no size."""
    named = f"model.widths={list(widths)}, model.blocks={blocks}"
    for width in (*widths, blocks):
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise UserError(f"{named}: must be whole numbers, 1 or more, and {width!r} is none")
    if not widths or list(widths) != sorted(widths):
        raise UserError(f"{named}: a stage has at least as many channels as the one before it, as in [16,32,64]")
    found = [(widths[0], widths[0], 1)] * blocks
    for before, width in pairwise(widths):
        found += [(before, width, 2), *[(width, width, 1)] * (blocks - 1)]
    return found
