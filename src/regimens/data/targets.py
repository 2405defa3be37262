"""Targets: the quantities that a regression predicts, standardised for training, and given back in their unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regimens.core.errors import DataError
from regimens.data import scaling
from regimens.data.arrays import Array


@dataclass(frozen=True)
class Targets:
    """What each output of a network stands for: its name, and the mean and the (population) standard deviation of the
    training examples' values, in their unit.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def standardised(self, y: Array) -> Array:
        """(N, outputs) float32 that a network learns, of values (N, outputs) in their unit."""
        return ((y - np.array(self.mean)) / np.array(self.std)).astype(np.float32)

    def restored(self, outputs: Array) -> Array:
        """(N, outputs) float64 in their unit, of what a network gives."""
        return outputs.astype(np.float64) * np.array(self.std) + np.array(self.mean)

    @property
    def spread(self) -> float:
        """The standard deviation of a single target; of several, the root of their mean variance."""
        return float(np.sqrt(np.mean(np.square(self.std))))

    def plain(self) -> dict[str, Any]:
        """Plain values; `read` takes them back."""
        return {"names": list(self.names), "mean": list(self.mean), "std": list(self.std)}


def read(told: Mapping[str, Any]) -> Targets:
    """The targets that `plain` told of."""
    return Targets(tuple(told["names"]), tuple(told["mean"]), tuple(told["std"]))


def fit(names: Sequence[str], y_train: Array) -> Targets:
    """The targets of training examples' values (N, outputs).

    Raises DataError where they are all the same.
    """
    constant = [name for name, column in zip(names, y_train.T, strict=True) if (column == column[0]).all()]
    if constant:
        told = ", ".join(map(repr, constant))
        raise DataError(f"{told} has one value in all {len(y_train)} training examples: nothing to predict")
    mean, std = scaling.statistics(y_train)
    return Targets(tuple(names), tuple(mean.tolist()), tuple(std.tolist()))
