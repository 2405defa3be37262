"""Dropout with masks from a hash instead of a generator: every engine draws the same ones, on any device.

A mask is a hash of the layer's key, the number of masks drawn so far, and the position in the batch; all three are
tensors, so that compiled blocks and fleets compute the masks inside their step.
"""

import torch
from torch import Tensor, nn

# Alpha dropout's value for a dropped unit: SELU's lower limit, -scale * alpha.
LOW = -1.7580993408473766
# What a network of the user's own may have instead.
TORCH_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
# The hash's own multiplier for positions, and an odd number for passes. Neither has more than 24 bits: compiled under
# vmap, integers pass through single precision.
PLACE, PASS = 1664525, 0x9E3779


def pcg3d(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """32 random bits for each (x, y, z), three int32 tensors: the first word of the hash pcg3d.

    x, y, z: as the hash's first step leaves them, w * 1664525 + 1013904223, or as well spread.
    Jarzynski and Olano, "Hash Functions for GPU Rendering", Journal of Computer Graphics Techniques 9 (3), 2020.
    """
    x = x + y * z
    y = y + z * x
    z = z + x * y
    x, y, z = (word ^ (word >> 16 & 0xFFFF) for word in (x, y, z))
    return x + y * z


class Dropout(nn.Module):
    """In training each input is 0 with probability `rate`, or else divided by 1 - `rate`, which keeps the mean.

    rate: from 0 to less than 1. The layer's key is drawn from torch's global random stream.
    """

    rate: Tensor
    key: Tensor
    passes: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        # Buffers, so that each trial of a fleet has its own; not saved with the weights.
        self.register_buffer("rate", torch.tensor(float(rate)), persistent=False)
        self.register_buffer("key", torch.zeros((), dtype=torch.int32), persistent=False)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int32), persistent=False)
        self.draw_key()

    def draw_key(self, generator: torch.Generator | None = None) -> None:
        """Begin a new sequence of masks, from `generator` or torch's global random stream."""
        for word in (self.key, self.passes):
            word.fill_(int(torch.randint(-(2**31), 2**31, (), generator=generator)))

    def forward(self, x: Tensor) -> Tensor:
        """x, of any shape, with some of its elements dropped in training."""
        if not self.training:
            return x
        places = torch.arange(x.numel(), dtype=torch.int32, device=x.device).view(x.shape)
        bits = pcg3d(places * PLACE, self.passes, self.key)
        self.passes.add_(PASS)
        return self.drop(x, bits >= self.rate * 2.0**32 - 2.0**31)

    def drop(self, x: Tensor, mask: Tensor) -> Tensor:
        """x / (1 - rate) where `mask` (booleans) is true, else 0."""
        return x * (mask / (1 - self.rate))

    def extra_repr(self) -> str:
        """The rate."""
        return f"{self.rate:.3g}"


class AlphaDropout(Dropout):
    """Dropout for SELU: what is dropped is its lower limit; scale and shift keep a mean of 0 and a variance of 1.

    Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def drop(self, x: Tensor, mask: Tensor) -> Tensor:
        """a (x mask + low (1 - mask)) + b, with a² = 1 / ((1 - rate) (1 + low² rate)) and b = -a low rate."""
        a = ((1 - self.rate) * (1 + LOW**2 * self.rate)).rsqrt()
        share = mask.to(x.dtype)
        return x * (a * share) + a * LOW * (1 - self.rate - share)
