"""Layout: examples as data hold them, rows of numbers, in the shape that a convolution takes."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, channels_last, nn

# A last axis of so many is one of colours; else a first one is.
COLOURS = (1, 3, 4)


def picture_of(shape: Sequence[int]) -> tuple[int, int, int] | None:
    """(channels, height, width) of examples of this shape: (H, W), (H, W, C) or (C, H, W); None where no picture."""
    if len(shape) == 2:
        return (1, *shape)  # type: ignore[return-value]
    if len(shape) != 3:
        return None
    return tuple(shape[i] for i in ((2, 0, 1) if shape[2] in COLOURS else (0, 1, 2)))  # type: ignore[return-value]


class Layout(nn.Module):
    """Rows (N, D) of pictures as (N, C, H, W); what has this shape already passes through.

    In memory the channels come last: so convolutions and poolings take two thirds of the time on a processor.
    shape: of one example as the data have it, see `picture_of`.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.picture = picture_of(shape)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, D) as (N, C, H, W), or as it is where examples are no pictures."""
        if x.ndim != 2 or self.picture is None or x.shape[1] != prod(self.shape):
            return x
        colours, *sides = self.picture
        if colours == 1 or self.shape[2] in COLOURS:
            return x.view(len(x), *sides, colours).permute(0, 3, 1, 2)
        return x.view(len(x), *self.picture).contiguous(memory_format=channels_last)

    def extra_repr(self) -> str:
        """The shape of an example."""
        return str(self.shape)
