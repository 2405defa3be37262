"""Normalisation: which layer, and its position in a block.

Batch normalisation follows tf.keras: docs/reference/parity.md, section 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError


@dataclass(frozen=True)
class Norm:
    """A normalisation layer and its place.

    layer: called with the number of units, returns a module; `torch.nn.Identity` means none.
    position: before or after the activation; before it, the layer with the kernel has no bias.
    input: whether the network's inputs are normalised by a first layer too.
    """

    layer: Callable[..., nn.Module] = nn.Identity
    position: Literal["before", "after"] = "after"
    input: bool = False

    def __post_init__(self) -> None:
        if self.position not in ("before", "after"):
            raise UserError(f"norm.position={self.position}: choose before or after (the activation)")

    def module(self, units: int) -> nn.Module | None:
        """Return the layer for `units` units, or None where it does nothing."""
        layer = self.layer(units)
        return None if isinstance(layer, nn.Identity) else layer

    def planes(self, channels: int) -> nn.Module | None:
        """Return the layer for maps (N, `channels`, ...), or None. Layer norm is one of each place, as in tf.keras."""
        layer = self.module(channels)
        return ChannelsLast(layer) if isinstance(layer, nn.LayerNorm) else layer

    def __call__(self, units: int) -> nn.Module:
        """The layer for inputs (N, `units`, ...); Identity where there is none."""
        return self.planes(units) or nn.Identity()


class ChannelsLast(nn.Module):
    """A layer over the last axis, applied to axis 1 of (N, C, ...)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, C, ...) at each place."""
        y: Tensor = self.layer(x if x.ndim == 2 else x.movedim(1, -1))
        return y if x.ndim == 2 else y.movedim(-1, 1)


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes; a gradient comes back from all of them too, so it is summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Add up a copy."""
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Add up the gradients."""
        return SumOverProcesses.forward(ctx, gradient)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (N, units), or feature maps (N, units, ...), with tf.keras's numbers.

    Differs from torch's: epsilon 0.001, momentum 0.01 (tf.keras: 0.99), the running variance follows the batch's
    biased variance, a training batch of one is allowed, and batches are not counted (`torch.func.grad` refuses that).
    Where `shared` is set, a training batch is the batch of all processes of torch.distributed's default group.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, momentum: float = 0.01, eps: float = 0.001) -> None:
        if not 0 < momentum <= 1:
            raise UserError(f"norm momentum={momentum}: must be in (0, 1] (tf.keras's momentum is 1 minus this)")
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.rate = momentum
        self.num_batches_tracked = None
        self.shared = False

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (N, units, ...) by its batch in training, by the running statistics in evaluation."""
        if not self.training or (len(x) == 0 and not self.shared):  # an empty batch has no statistics
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        y, mean, variance = self._normalise(x)
        with torch.no_grad():
            # Not lerp_, which has no batching rule under vmap.
            self.running_mean.add_(mean - self.running_mean, alpha=self.rate)
            self.running_var.add_(variance - self.running_var, alpha=self.rate)
        return y

    def _normalise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The normalised batch, and its mean and biased variance (units,), neither of which has a gradient."""
        if self.shared:
            return self._normalise_together(x)
        y, mean, inverse_std = torch.native_batch_norm(x, self.weight, self.bias, None, None, True, 0.0, self.eps)
        return y, mean, inverse_std.detach().pow(-2).sub(self.eps)

    def _normalise_together(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same over the batches of all processes, where this one's may be empty; two reductions."""
        rows = x if x.ndim == 2 else x.movedim(1, -1).flatten(0, -2)  # each place of a feature map counts
        total = SumOverProcesses.apply(torch.cat([rows.sum(0), x.new_full((1,), len(rows))]))
        mean, n = total[:-1] / total[-1], total[-1].detach()
        centred = rows - mean
        variance = SumOverProcesses.apply(centred.square().sum(0)) / n
        y = centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        if x.ndim > 2:
            y = y.view(len(x), *x.shape[2:], x.shape[1]).movedim(-1, 1)
        return y, mean.detach(), variance.detach()

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # torch's own would add a batch counter to every state dict without metadata, such as a safetensors file's.
        nn.Module._load_from_state_dict(self, *args, **kwargs)


def synchronise(net: nn.Module) -> None:
    """From now on every batch norm of `net` takes its training statistics over all processes."""
    for module in net.modules():
        if isinstance(module, BatchNorm):
            module.shared = True
