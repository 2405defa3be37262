"""Activations that torch lacks or defines otherwise than tf.keras, and how any is built for a layer.

All others in `conf/activation` are classes of `torch.nn`. Formulas: docs/reference/parity.md, section 2.
"""

import inspect
from collections.abc import Callable

from torch import Tensor, nn


class Exponential(nn.Module):
    """y = exp(x), any shape."""

    def forward(self, x: Tensor) -> Tensor:
        """Return exp(x)."""
        return x.exp()


class HardSigmoid(nn.Module):
    """y = clip(0.2 x + 0.5, 0, 1), any shape: tf.keras 2. (`torch.nn.Hardsigmoid` is Keras 3's, relu6(x + 3) / 6.)"""

    def forward(self, x: Tensor) -> Tensor:
        """Return the piecewise linear sigmoid of x."""
        return (0.2 * x + 0.5).clamp(0, 1)


def activation_layer(factory: Callable[..., nn.Module], units: int) -> nn.Module:
    """Build one activation for a layer of `units` units; a factory that takes `num_parameters` learns one per unit."""
    if "num_parameters" in inspect.signature(factory).parameters:
        return factory(num_parameters=units)
    return factory()
