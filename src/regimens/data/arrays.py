"""Raw examples as numpy arrays, and the checks that every data set passes before anything is trained on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from regimens.core.errors import DataError

Array = npt.NDArray[Any]
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Arrays:
    """A data set as its source gives it.

    `x_*` are (N, ...) arrays, uint8 for images and float32 otherwise; `y_*` are (N,) int64 class numbers from 0.
    A part that the source does not have is None. `hashes` name what was read (file name -> sha256), `source` says in
    words where it comes from (never a path of this machine), `maximum` is the largest value an input can take,
    `feature_names` are the columns of a table (empty for others).
    """

    x_train: Array
    y_train: Array
    x_valid: Array | None
    y_valid: Array | None
    x_test: Array | None
    y_test: Array | None
    n_classes: int
    class_names: tuple[str, ...]
    source: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    maximum: float | None = None
    feature_names: tuple[str, ...] = ()

    def parts(self) -> dict[str, tuple[Array, Array]]:
        """The parts that exist, by name: train, valid, test."""
        found = {part: (getattr(self, f"x_{part}"), getattr(self, f"y_{part}")) for part in PARTS}
        return {part: (x, y) for part, (x, y) in found.items() if x is not None and y is not None}


def inputs(values: Array, name: str) -> Array:
    """`values` as uint8 (kept) or finite float32, at least two-dimensional.

    Raises DataError for text, objects, complex numbers, dates, a vector, no features, NaN and infinity.
    """
    if values.dtype.kind not in "buif":
        raise DataError(f"{name} holds {values.dtype} values: give numbers (uint8 images or floats)")
    if values.ndim < 2 or 0 in values.shape[1:]:
        raise DataError(f"{name} has shape {values.shape}: give (examples, features) or (examples, height, width, ...)")
    if values.dtype == np.uint8:
        return values
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(cast)
    if not finite.all():
        row = int(np.argwhere(~finite)[0, 0])
        count = int(finite.size - finite.sum())
        raise DataError(f"{name} has {count} values that are NaN, infinite or beyond float32, the first in row {row}")
    return cast


def labels(values: Array, name: str) -> Array:
    """`values` as (N,) int64 class numbers. Raises DataError for one-hot rows, fractions, NaN and negative numbers."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name} has shape {values.shape}: give one class number per example (one-hot: use argmax(1))")
    if values.dtype.kind not in "buif":
        raise DataError(f"{name} holds {values.dtype} values: give class numbers 0, 1, 2, ...")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise DataError(f"{name} holds NaN or fractions: give class numbers 0, 1, 2, ...")
    if values.size and (values.min() < 0 or values.max() >= 2**53):
        worst = values.min() if values.min() < 0 else values.max()
        raise DataError(f"{name} holds the label {worst:.0f}: class numbers start at 0 and have no gaps")
    return values.astype(np.int64)


def check(arrays: Arrays, where: str) -> Arrays:
    """`arrays` itself, once its parts are found to fit each other.

    Raises DataError where a part is empty, inputs and labels differ in number, parts differ in the shape of an
    example, a class has no training example, or a part has a label that no training example has.
    """
    shape = arrays.x_train.shape[1:]
    for part, (x, y) in arrays.parts().items():
        if len(x) != len(y):
            raise DataError(f"{where}: {len(x)} {part} inputs but {len(y)} {part} labels")
        if not len(x):
            raise DataError(f"{where}: the {part} set is empty")
        if x.shape[1:] != shape:
            raise DataError(f"{where}: a {part} example has shape {x.shape[1:]}, a train example {shape}")
        if x.dtype != arrays.x_train.dtype:
            raise DataError(f"{where}: {part} inputs are {x.dtype}, train inputs {arrays.x_train.dtype}")
    seen = np.unique(arrays.y_train)
    for part, (_, y) in arrays.parts().items():
        unseen = np.setdiff1d(y, seen)
        if unseen.size:
            raise DataError(f"{where}: the {part} set has label {unseen[0]}, which no training example has")
    if len(seen) < arrays.n_classes:
        empty = int(np.setdiff1d(np.arange(min(arrays.n_classes, len(seen) + 1)), seen)[0])
        raise DataError(
            f"{where}: class {empty} of {arrays.n_classes} has no training example: number classes 0, 1, 2, ..."
        )
    if len(arrays.class_names) != arrays.n_classes:
        raise DataError(f"{where}: {arrays.n_classes} classes but {len(arrays.class_names)} class names")
    if arrays.n_classes < 2:
        raise DataError(f"{where}: one class only: nothing to classify")
    return arrays
