"""Monte Carlo dropout: many predictions with dropout left on, their mean and their spread."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.nets.dropout import Dropout


@contextmanager
def dropout_only(net: nn.Module, seed: int) -> Iterator[None]:
    """Put only dropout layers in training mode, with masks from `seed`; restore modes and masks afterwards."""
    generator = torch.Generator().manual_seed(seed)
    modes = {module: module.training for module in net.modules()}
    layers = [module for module in modes if isinstance(module, Dropout)]
    states = [(layer.key.clone(), layer.passes.clone()) for layer in layers]
    try:
        net.eval()
        for layer in layers:
            layer.train()
            layer.draw_key(generator)
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        for layer, (key, passes) in zip(layers, states, strict=True):
            layer.key.copy_(key)
            layer.passes.copy_(passes)


def mc_predict(net: nn.Module, x: Tensor, samples: int, seed: int, classes: bool = True) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, over `samples` passes with dropout on, of the class probabilities.

    x: (N, ...); both results: (N, classes), or (N, 1) for a net with one logit; without `classes` they are of the net's
    own outputs. Raises UserError where samples < 1.
    """
    if samples < 1:
        raise UserError(f"mc_samples={samples}: Monte Carlo dropout needs at least 1 sample")
    with torch.no_grad(), dropout_only(net, seed):
        answer = _probabilities if classes else Tensor.clone
        mean = answer(net(x))
        scatter = torch.zeros_like(mean)
        for n in range(2, samples + 1):  # Welford: no cancellation, and one array of each kind
            sample = answer(net(x))
            delta = sample - mean
            mean.add_(delta, alpha=1 / n)
            scatter.addcmul_(delta, sample - mean)
    return mean, scatter.div_(samples).sqrt_()


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(-1) if logits.shape[-1] > 1 else logits.sigmoid()
