"""Metrics of a network's outputs, by torchmetrics; their names are in `core.metrics`."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from regimens.core.metrics import CLASSES, QUANTITIES, Metric


@dataclass(frozen=True)
class Measures:
    """What outputs (N, outputs) are measured by: `names` for every epoch.

    `n_classes`, or, for quantities, their `quantities`, `mean` and `std`: what they are called, and their unit.
    """

    names: tuple[str, ...] = ()
    n_classes: int = 0
    quantities: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def of(self, outputs: Tensor, y: Tensor, names: Sequence[str] | None = None) -> dict[str, float]:
        """name -> value, for labels `y` as they are trained on; a value that is not defined is NaN.

        Of several quantities, rmse and mae are of all numbers together, others the mean over the quantities; rmse, mae
        and r2 of each are in `rmse/NAME`.
        """
        asked = self.names if names is None else names
        if not asked:
            return {}
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class without an example, of which the metric says nothing
            if self.quantities:
                return self._of_quantities(outputs, y, asked)
            probabilities = as_probabilities(outputs.double())
            found = [(name, CLASSES[name]) for name in asked]
            labels = y.long()
            return {name: _value(_classes(one, self.n_classes), probabilities, labels) for name, one in found}

    def _of_quantities(self, outputs: Tensor, y: Tensor, names: Sequence[str]) -> dict[str, float]:
        mean, std = (torch.tensor(one, dtype=torch.float64, device=outputs.device) for one in (self.mean, self.std))
        told, truth = outputs.double() * std + mean, y.double() * std + mean
        found = {}
        for name in names:
            each = [_value(_metric(QUANTITIES[name]), a, b) for a, b in zip(told.T, truth.T, strict=True)]
            together = QUANTITIES[name].unit
            flat = [one.flatten() for one in (told, truth)]
            found[name] = _value(_metric(QUANTITIES[name]), *flat) if together else sum(each) / len(each)
            if len(each) > 1 and name in ("rmse", "mae", "r2"):
                found |= {f"{name}/{quantity}": one for quantity, one in zip(self.quantities, each, strict=True)}
        return found


def as_probabilities(logits: Tensor) -> Tensor:
    """(N, classes) probabilities of (N, classes) logits, or of (N, 1) where there are two classes."""
    if logits.shape[1] > 1:
        return logits.softmax(1)
    positive = logits.sigmoid()
    return torch.cat([1 - positive, positive], 1)


def _value(metric: Any, predicted: Tensor, y: Tensor) -> float:
    """A metric's value; NaN where the network's own outputs are not finite."""
    if not bool(torch.isfinite(predicted).all()):
        return math.nan
    return float(metric.to(predicted.device)(predicted, y))


def _classes(one: Metric, n_classes: int) -> Any:
    if one.name == "LogLoss":
        return LogLoss()
    import torchmetrics.classification as library

    return getattr(library, one.name)(num_classes=n_classes, **one.arguments)


def _metric(one: Metric) -> Any:
    import torchmetrics.regression as library

    return getattr(library, one.name)(**one.arguments)


class LogLoss(torch.nn.Module):
    """Mean of -log p of the right class: of any loss the network learnt by, penalties and weights aside."""

    def forward(self, probabilities: Tensor, y: Tensor) -> Tensor:
        """0-dim, of (N, classes) probabilities and (N,) labels; p is at least the smallest positive float64."""
        return F.nll_loss(probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log(), y)
