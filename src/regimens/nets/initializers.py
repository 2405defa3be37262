"""Weight initialisers that torch lacks: they fill a weight matrix (out, in) in place and return it.

All others in `conf/init` are functions of `torch.nn.init`. Formulas: docs/reference/parity.md, section 1.
"""

import inspect
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import init

from regimens.core.errors import UserError

Initializer = Callable[..., object]

# Standard deviation of a standard normal cut at ±2; dividing by it restores the variance that the cut removed.
_TRUNCATED_STD = 0.87962566103423978


def variance_scaling(
    weight: Tensor,
    scale: float = 1.0,
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
    distribution: Literal["normal", "untruncated", "uniform"] = "normal",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fill `weight` (out, in), or a convolution's (out, in, ...), with draws of variance scale / fan.

    The fans of a convolution count each of its places: in or out times the kernel's size, as tf.keras does.
    `normal` is cut at two standard deviations and corrected for the cut, `untruncated` is a plain normal.
    Raises UserError for an unknown mode or distribution, or a scale that is not positive.
    """
    places = math.prod(weight.shape[2:])
    fan_out, fan_in = (units * places for units in weight.shape[:2])
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    if mode not in fans:
        raise UserError(f"init.mode={mode}: choose one of {', '.join(fans)}")
    if not scale > 0:
        raise UserError(f"init.scale={scale}: must be greater than 0")
    std = math.sqrt(scale / max(1.0, fans[mode]))
    if distribution == "normal":
        std /= _TRUNCATED_STD
        return init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)
    if distribution == "untruncated":
        return init.normal_(weight, 0.0, std, generator=generator)
    if distribution == "uniform":
        bound = math.sqrt(3) * std
        return init.uniform_(weight, -bound, bound, generator=generator)
    raise UserError(f"init.distribution={distribution}: choose one of normal, untruncated, uniform")


def identity(weight: Tensor, gain: float = 1.0) -> Tensor:
    """Fill `weight` (out, in) with `gain` on the diagonal and zeros elsewhere; a convolution's at its centre."""
    with torch.no_grad():
        return (init.eye_(weight) if weight.ndim == 2 else init.dirac_(weight)).mul_(gain)


def own(weight: Tensor) -> Tensor:
    """Leave `weight` as the layer's own constructor drew it."""
    return weight


def keeps(initializer: Initializer) -> bool:
    """Whether an initialiser leaves weights as they are."""
    return getattr(initializer, "func", initializer) is own


def initialize(weight: Tensor, initializer: Initializer, generator: torch.Generator | None = None) -> None:
    """Fill `weight` in place, from `generator` where the initialiser draws random numbers."""
    if "generator" in inspect.signature(initializer).parameters:
        initializer(weight, generator=generator)
    else:
        initializer(weight)
