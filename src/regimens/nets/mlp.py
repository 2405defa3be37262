"""The multilayer perceptron of the chapter: dense blocks, each one dropout -> linear -> norm and activation."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.nets.activations import activation_layer
from regimens.nets.dropout import AlphaDropout, Dropout
from regimens.nets.initializers import Initializer, initialize
from regimens.nets.norm import Norm

# The layers whose weights are initialised, penalised and bounded.
KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Dropping(Protocol):
    """The part of a regularisation that the network needs."""

    @property
    def dropout(self) -> float:
        """Share of a layer's inputs dropped in training."""

    @property
    def alpha_dropout(self) -> float:
        """The same, for alpha dropout, which keeps mean and variance."""


class Dense(nn.Sequential):
    """One block: `dropout` or `alpha_dropout`, `linear`, then `norm` and `activation` in the order given.

    Parts without effect are left out, so that a plain layer costs no more than `nn.Linear`.
    """

    linear: nn.Linear

    def __init__(self, **parts: nn.Module | None) -> None:
        super().__init__(OrderedDict((name, part) for name, part in parts.items() if part is not None))


class MLP(nn.Module):
    """Inputs (N, ...) flattened to (N, n_inputs); logits out (N, n_outputs).

    layers: the dense blocks, the output layer last. Parameters are named `layers.<i>.<part>.<name>`
    (`layers.0.linear.weight`), so the first k blocks of two nets of one shape have the same names.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        hidden: Sequence[int],
        init: Initializer,
        activation: Callable[..., nn.Module],
        norm: Norm,
        regularization: Dropping,
        generator: torch.Generator | None = None,
    ) -> None:
        """Build and initialise; weights are drawn from `generator`, biases are zero.

        Raises UserError where a hidden size is not a positive integer.
        """
        super().__init__()
        checked_sizes(hidden)
        self.input_norm = norm.module(n_inputs) if norm.input else None
        blocks = []
        fan_in = n_inputs
        for units in hidden:
            blocks.append(hidden_block(fan_in, units, activation, norm, regularization))
            fan_in = units
        blocks.append(Dense(**dropouts(regularization), linear=nn.Linear(fan_in, n_outputs)))
        self.layers = nn.ModuleList(blocks)
        draw(self, init, generator)

    @property
    def blocks(self) -> list[Dense]:
        """The dense blocks in order, the output layer last."""
        return list(self.layers)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, n_outputs)."""
        if x.ndim != 2:
            x = x.flatten(1)
        if self.input_norm is not None:
            x = self.input_norm(x)
        for layer in self.layers:
            x = layer(x)
        return x


def draw(net: nn.Module, init: Initializer, generator: torch.Generator | None) -> None:
    """Draw the kernels of `net` from `generator`, in order; its layers' biases are zero."""
    for weight in kernels(net).values():
        initialize(weight, init, generator)
    for layer in net.modules():
        if isinstance(layer, KERNELS) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def kernels(net: nn.Module) -> dict[str, Tensor]:
    """The weights of `net`'s dense layers (out, in) and convolutions (out, in, ...) by their parameters' names.

    In the order of the network's modules: the output layer's are the last.
    """
    return {f"{name}.weight": layer.weight for name, layer in net.named_modules() if isinstance(layer, KERNELS)}


def blocks_of(net: nn.Module) -> list[nn.Module]:
    """The blocks of `net` in order, the output layer last: those of `layers`, else `net` itself as one block."""
    layers = getattr(net, "layers", None)
    return list(layers) if isinstance(layers, nn.ModuleList | nn.Sequential) else [net]


def checked_sizes(hidden: Sequence[int]) -> None:
    """Raise UserError where a hidden size is not a positive integer."""
    for units in hidden:
        if not isinstance(units, int) or isinstance(units, bool) or units < 1:
            raise UserError(f"model.hidden={list(hidden)}: each size must be a positive integer, got {units!r}")


def hidden_block(
    fan_in: int,
    units: int,
    activation: Callable[..., nn.Module],
    norm: Norm,
    regularization: Dropping,
    flatten: nn.Module | None = None,
) -> Dense:
    """A hidden layer of `units` units with its dropout, norm and activation; `flatten` comes first, where given."""
    normalise = norm.module(units)
    activate: nn.Module | None = activation_layer(activation, units)
    if isinstance(activate, nn.Identity):
        activate = None
    before = normalise is not None and norm.position == "before"
    dense = partial(
        Dense, flatten=flatten, **dropouts(regularization), linear=nn.Linear(fan_in, units, bias=not before)
    )
    if before:
        return dense(norm=normalise, activation=activate)
    return dense(activation=activate, norm=normalise)


def dropouts(regularization: Dropping) -> dict[str, nn.Module | None]:
    """The dropout layers of a block, by name, None where there is none."""
    return {
        "dropout": Dropout(regularization.dropout) if regularization.dropout else None,
        "alpha_dropout": AlphaDropout(regularization.alpha_dropout) if regularization.alpha_dropout else None,
    }
