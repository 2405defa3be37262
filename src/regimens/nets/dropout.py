"""Monte Carlo dropout: many predictions with dropout left on, their mean and their spread."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from regimens.errors import UserError


@contextmanager
def dropout_only(net: nn.Module) -> Iterator[None]:
    """Inside, only `net`'s dropout layers are in training mode; afterwards every module has its mode back."""
    modes = {module: module.training for module in net.modules()}
    try:
        net.eval()
        for module in modes:
            if isinstance(module, _DropoutNd):
                module.train()
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def mc_predict(net: nn.Module, x: Tensor, samples: int, seed: int | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, over `samples` passes with dropout on, of the class probabilities.

    x: (N, ...); both results: (N, classes), or (N, 1) for a net with one logit. With a seed the masks are its own and
    the global random state is left as it was. Raises UserError where samples < 1.
    """
    if samples < 1:
        raise UserError(f"mc_samples={samples}: Monte Carlo dropout needs at least 1 sample")
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices, enabled=seed is not None), torch.no_grad(), dropout_only(net):
        if seed is not None:
            torch.manual_seed(seed)
        mean = _probabilities(net(x))
        scatter = torch.zeros_like(mean)
        for n in range(2, samples + 1):  # Welford: no cancellation, and one array of each kind
            sample = _probabilities(net(x))
            delta = sample - mean
            mean.add_(delta, alpha=1 / n)
            scatter.addcmul_(delta, sample - mean)
    return mean, scatter.div_(samples).sqrt_()


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(-1) if logits.shape[-1] > 1 else logits.sigmoid()
