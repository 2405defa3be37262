"""Raw examples as numpy arrays, and the checks that every data set passes before anything is trained on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from regimens.core.errors import DataError

Array = npt.NDArray[Any]
PARTS = ("train", "valid", "test")
#: rounding of less than this part of a feature's spread is harmless
HARMLESS = 1e-4


@dataclass(frozen=True)
class Arrays:
    """A data set as its source gives it.

    `x_*` are (N, ...) arrays, uint8 for images, otherwise float32 or, where that loses meaning, float64; `y_*` are (N,)
    int64 class numbers from 0; or, where `quantities` (their names) are to be predicted and there are no classes, (N,
    quantities) float64 in their unit. A part that the source does not have is None. `hashes` name what was read (file
    name -> sha256), `source` says in words where it comes from (never a path of this machine), `maximum` is the largest
    value an input can take. `feature_names` are the columns of a table (empty for others), whose codes `x_*` hold where
    `columns` (a tuple of `columns.Column`) says so. `groups` and `times`, (N,), are what a split must not divide, or
    has to follow. `told` are sentences about what was found, `notes` warnings; both are said before training.
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
    columns: tuple[Any, ...] = ()
    groups: Array | None = None
    times: Array | None = None
    quantities: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def parts(self) -> dict[str, tuple[Array, Array]]:
        """The parts that exist, by name: train, valid, test."""
        found = {part: (getattr(self, f"x_{part}"), getattr(self, f"y_{part}")) for part in PARTS}
        return {part: (x, y) for part, (x, y) in found.items() if x is not None and y is not None}


def inputs(values: Array, name: str) -> Array:
    """`values` as uint8 (kept), float32 (kept), or float64: finite, at least two-dimensional, and none beyond float32.

    Raises DataError for text, objects, complex numbers, dates, a vector, no features, NaN and infinity.
    """
    if values.dtype.kind not in "buif":
        raise DataError(f"{name} holds {values.dtype} values: give numbers (uint8 images or floats)")
    if values.ndim < 2 or 0 in values.shape[1:]:
        raise DataError(f"{name} has shape {values.shape}: give (examples, features) or (examples, height, width, ...)")
    if values.dtype == np.uint8:
        return values
    small = values.dtype.kind == "b" or values.dtype.itemsize <= (2 if values.dtype.kind in "iu" else 4)
    found = np.ascontiguousarray(values, dtype=np.float32 if small else np.float64)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        flat = values.reshape(len(values), -1)
        off = (flat - flat[0]).astype(np.float64)
        if (np.spacing(np.abs(flat.astype(np.float64))).max(axis=0) > HARMLESS * off.std(axis=0))[
            off.any(axis=0)
        ].any():
            raise DataError(f"{name} holds whole numbers of more than 53 bits: take an offset off, or leave them out")
    with np.errstate(over="ignore"):
        finite = np.isfinite(found.astype(np.float32, copy=False))
    if not finite.all():
        place = np.argwhere(~finite)[0].tolist()
        count = int(finite.size - finite.sum())
        told = f"{count} values that are" if count > 1 else "a value that is"
        raise DataError(
            f"{name} has {told} NaN, infinite or beyond float32, the first in row {place[0] + 1} "
            f"(at {place}, counted from 0): leave such examples out, or fill them in"
        )
    return found


def narrowed(parts: Sequence[Array]) -> list[Array]:
    """The parts of one data set, float64 turned into float32 where its rounding is no part of a feature's spread."""
    if parts[0].dtype == np.uint8 or not len(parts[0]) or all(part.dtype != np.float64 for part in parts):
        return list(parts)
    flat = parts[0].reshape(len(parts[0]), -1)
    chunks = np.array_split(flat, 1 + flat.shape[1] // 256, axis=1)
    keep = any(_loses(rows, np.abs(rows - rows.astype(np.float32))) for rows in chunks)
    wanted = np.float64 if keep else np.float32
    return [part if part.dtype == np.uint8 else part.astype(wanted) for part in parts]


def _loses(rows: Array, error: Array) -> bool:
    """Whether rounding by `error` is more than HARMLESS of the standard deviation of some of (N, features) `rows`.

    Rounding a constant loses nothing, and NaN stands for nothing.
    """
    known = ~np.isnan(rows)
    first = np.take_along_axis(rows, known.argmax(axis=0)[None], axis=0)
    off = np.where(known, rows - first, 0.0)
    return bool(((np.where(known, error, 0.0).max(axis=0) > HARMLESS * off.std(axis=0)) & off.any(axis=0)).any())


def labels(values: Array, name: str) -> Array:
    """`values` as (N,) int64 class numbers. Raises DataError for one-hot rows, fractions, NaN and negative numbers."""
    values = column(values, name)
    if values.dtype.kind not in "buif":
        raise DataError(f"{name} holds {values.dtype} values: give class numbers 0, 1, 2, ..., or words")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.floor(values))).all():
        raise DataError(f"{name} holds NaN or fractions: give class numbers 0, 1, 2, ...")
    if values.size and (values.min() < 0 or values.max() >= 2**53):
        worst = values.min() if values.min() < 0 else values.max()
        raise DataError(f"{name} holds the label {worst:.0f}: class numbers start at 0 and have no gaps")
    return values.astype(np.int64)


def column(values: Array, name: str) -> Array:
    """`values` as one value for each example: (N,), or (N, 1) of these. Raises DataError for another shape."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name} has shape {values.shape}: give one class number per example (one-hot: use argmax(1))")
    return values


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
    if not arrays.quantities:
        _check_classes(arrays, where)
    return arrays


def quantities(values: Array, name: str) -> Array:
    """`values` as (N, quantities) float64. Raises DataError for what is no finite number, or has another shape."""
    values = values[:, None] if values.ndim == 1 else values
    if values.dtype.kind not in "buif":
        raise DataError(f"{name} holds {values.dtype} values: task=regression predicts numbers")
    if values.ndim != 2 or not values.shape[1]:
        raise DataError(f"{name} has shape {values.shape}: give (examples,) or (examples, quantities)")
    found = values.astype(np.float64)
    odd = np.argwhere(~np.isfinite(found) | (np.abs(found) > np.finfo(np.float32).max))
    if len(odd):
        told = "a value that is" if len(odd) == 1 else f"{len(odd)} values that are"
        raise DataError(f"{name} has {told} NaN, infinite or beyond float32, the first in row {odd[0][0] + 1}")
    return found


def _check_classes(arrays: Arrays, where: str) -> None:
    seen = np.unique(arrays.y_train)
    for part, (_, y) in arrays.parts().items():
        unseen = np.setdiff1d(y, seen)
        if unseen.size:
            number = int(unseen[0])
            name = arrays.class_names[number] if number < len(arrays.class_names) else number
            told = f"{where}: the {part} set has label {name!r}, which no training example has"
            raise DataError(f"{told}: give it training examples, or leave the class out")
    if len(seen) < arrays.n_classes:
        empty = int(np.setdiff1d(np.arange(min(arrays.n_classes, len(seen) + 1)), seen)[0])
        raise DataError(
            f"{where}: class {empty} of {arrays.n_classes} has no training example: number classes 0, 1, 2, ..."
        )
    if len(arrays.class_names) != arrays.n_classes:
        raise DataError(f"{where}: {arrays.n_classes} classes but {len(arrays.class_names)} class names")
    if arrays.n_classes < 2:
        raise DataError(f"{where}: one class only: nothing to classify")
