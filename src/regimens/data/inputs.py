"""Inputs: the road of raw examples into a network, fitted on training examples, and kept beside the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from regimens.core.errors import DataError
from regimens.data import arrays, columns, encoding, ranges, scaling
from regimens.data.arrays import Array
from regimens.data.columns import Column
from regimens.data.encoding import AsIs, Encoder
from regimens.data.ranges import Ranges


@dataclass(frozen=True)
class Inputs:
    """What a network takes, and the checks that new examples have to pass.

    Raw examples have the shape `shape` and were held as `dtype`; `maximum` is the largest level that the source can
    hold, None where they are no levels. `columns` are those of a table, whose codes examples are.
    """

    scale: scaling.Scale
    encoder: Encoder | AsIs
    columns: tuple[Column, ...]
    shape: tuple[int, ...]
    dtype: str
    maximum: float | None
    ranges: Ranges

    @property
    def width(self) -> int:
        """Features of an example."""
        return self.encoder.width

    @property
    def names(self) -> list[str]:
        """The columns' names; none where examples are no table's rows."""
        return [column.name for column in self.columns]

    def features(self, x: Array) -> Array:
        """(N, width) float32 of raw examples (N, *shape)."""
        return self.scale(self.encoder(x if x.dtype in (self.dtype, np.uint8) else x.astype(self.dtype)))

    def checked(self, x: Array) -> Array:
        """(N, *shape) examples of (N, ...).

        Raises DataError where their shape is none of training's, or they hold what no training example can.
        """
        if x.ndim < 1 or not len(x):
            raise DataError("the inputs have no rows")
        x = self._shaped(x)
        if self.columns:
            return x
        x = arrays.inputs(x, "the inputs")
        self._refuse_levels(x)
        return x

    def unlike(self, x: Array) -> list[str]:
        """Sentences about (N, ...) examples that are out of the training examples' ranges."""
        x = measured(self._shaped(x), self.columns)
        return self.ranges.unlike(np.where(np.isnan(x), self.ranges.low, x) if self.columns else x, self.names)

    def _shaped(self, x: Array) -> Array:
        """`x` as (N, *shape), where nothing but axes of length 1 and flattening are in between."""
        told, asked = x.shape[1:], math.prod(self.shape)
        if told == self.shape:
            return x
        if x.shape == self.shape and x.ndim > 1:
            raise DataError(
                f"the inputs have shape {x.shape}, which is one example: give (1, {', '.join(map(str, x.shape))})"
            )
        squeezed = tuple(size for size in told if size != 1)
        flat = math.prod(told) == asked and (len(squeezed) <= 1 or len(self.shape) == 1)
        if flat or squeezed == tuple(size for size in self.shape if size != 1):
            return x.reshape(len(x), *self.shape)
        if sorted(told) == sorted(self.shape):
            raise DataError(
                f"the inputs have shape {x.shape}; the network was trained on examples of shape {self.shape}: "
                "bring the axes into that order with numpy.moveaxis or numpy.swapaxes"
            )
        raise DataError(
            f"the inputs have shape {x.shape}, {math.prod(told)} features each; the network was trained on {asked}"
            + (f", of shape {self.shape}" if len(self.shape) > 1 else "")
        )

    def _refuse_levels(self, x: Array) -> None:
        """Raise DataError for fractions and excesses where the network was trained on levels."""
        top = self.maximum if self.maximum is not None else 255.0 if self.dtype == "uint8" else None
        if top is None and not (self.ranges.whole and len(self.shape) > 1):
            return
        trained = f"the network was trained on levels {f'0 to {top:g}' if top is not None else 'without fractions'}"
        if x.dtype != np.uint8 and (x != np.floor(x)).any():
            raise DataError(f"the inputs hold fractions; {trained}")
        if top is not None and (x.max() > top or x.min() < 0):
            raise DataError(f"the inputs hold {x.max() if x.max() > top else x.min():g}; {trained}")

    def plain(self) -> dict[str, Any]:
        """What it is in plain data, arrays aside; `restored` takes both back."""
        return {
            "columns": [column.plain() for column in self.columns], "shape": list(self.shape), "dtype": self.dtype,
            "maximum": self.maximum, "width": self.width, "whole": self.ranges.whole,
        }  # fmt: skip

    def arrays(self) -> dict[str, Array]:
        """What was learnt, by name."""
        return {**self.scale.arrays(), **self.encoder.arrays(), **self.ranges.arrays()}


def measured(x: Array, described: tuple[Column, ...]) -> Array:
    """`x` with zeros for codes of words, which have no range."""
    words = np.array([column.kind == columns.WORD for column in described], dtype=bool)
    return np.where(words, 0, x) if words.any() else x


def fit(
    scale: str, encoder: Encoder | AsIs, described: tuple[Column, ...], x_train: Array, maximum: float | None
) -> Inputs:
    """The road that training examples (N, ...) need; errors are those of `scaling.fit`."""
    fitted = scaling.fit(scale, encoder(x_train) if isinstance(encoder, Encoder) else x_train, maximum)
    spread = ranges.of(measured(x_train, described), bool(described))
    return Inputs(fitted, encoder, described, x_train.shape[1:], str(x_train.dtype), maximum, spread)


def restored(told: Mapping[str, Any], scale: str, found: Mapping[str, Array]) -> Inputs:
    """The inputs of a network, from what `Inputs.plain` and `Inputs.arrays` gave."""
    described = tuple(map(columns.restored, told["columns"]))
    return Inputs(
        scaling.restored(scale, found), encoding.restored(described, told["width"], found), described,
        tuple(told["shape"]), told["dtype"], told["maximum"], ranges.restored(found, told["whole"]),
    )  # fmt: skip
