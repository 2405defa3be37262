"""Scaling: raw inputs to float32 features, with statistics of training examples only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Array, narrowed

SCALES = ("unit", "standardize", "none")
ROWS = 4096  # rows turned at a time: float64 in the middle never holds more than this


@dataclass(frozen=True)
class Scale:
    """A fitted scaling: (N, ...) raw inputs to (N, features) float32.

    `maximum` divides where `kind` is "unit"; `mean` and `std`, (features,) float64, where it is "standardize".
    """

    kind: str
    maximum: float | None = None
    mean: Array | None = None
    std: Array | None = None

    def __call__(self, x: Array) -> Array:
        """The features of `x`."""
        if self.maximum is not None:
            return np.divide(_flat(x), np.float32(self.maximum), dtype=np.float32)
        if self.mean is not None and self.std is not None:
            return _standardized(_flat(x), self.mean, self.std)
        return _flat(x).astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """The statistics by name, to be kept beside a network; `restored` takes them back."""
        maximum = None if self.maximum is None else np.array([self.maximum], dtype=np.float64)
        found = {"maximum": maximum, "mean": self.mean, "std": self.std}
        return {name: np.ascontiguousarray(value) for name, value in found.items() if value is not None}


def restored(kind: str, arrays: Mapping[str, Array]) -> Scale:
    """The scaling whose `arrays()` these are."""
    maximum = float(arrays["maximum"][0]) if "maximum" in arrays else None
    return Scale(kind, maximum, arrays.get("mean"), arrays.get("std"))


def fit(scale: str, x_train: Array, maximum: float | None) -> Scale:
    """The scaling named `scale`, fitted on `x_train`.

    unit: divide by `maximum` (255 for Fashion-MNIST). standardize: (x - mean) / std per feature, population std
    (ddof 0), statistics and division in float64, std 0 counted as 1 so that constant features stay finite
    (docs/reference/parity.md, section 9). none: cast only. Raises DataError for another name, and for unit without a
    maximum.
    """
    if scale == "none":
        if x_train.dtype == np.float64 and narrowed([x_train])[0].dtype == np.float64:
            raise DataError("data.scale=none rounds to float32, which loses what tells values apart: use standardize")
        return Scale(scale)
    if scale == "unit":
        if maximum is None and x_train.dtype == np.uint8:
            maximum = 255.0
        if maximum is None:
            raise DataError("data.scale=unit needs uint8 images: use data.scale=standardize or data.scale=none")
        return Scale(scale, maximum=maximum)
    if scale == "standardize":
        mean, std = statistics(x_train)
        return Scale(scale, mean=mean, std=std)
    raise DataError(f"data.scale={scale}: choose {', '.join(SCALES)}")


def statistics(x: Array) -> tuple[Array, Array]:
    """Per-feature mean and population standard deviation, (features,) float64 each; a std of 0 becomes 1."""
    flat, n = _flat(x), len(x)
    mean = sum((rows.sum(axis=0, dtype=np.float64) for rows in _chunks(flat)), np.zeros(flat.shape[1])) / n
    square = sum((np.square(rows - mean).sum(axis=0) for rows in _chunks(flat)), np.zeros(flat.shape[1])) / n
    std = np.sqrt(square)
    # a constant feature: rounding of its mean may leave a std of 1e-17 times its size instead of 0
    constant = (flat == flat[0]).all(axis=0)
    return np.where(constant, flat[0].astype(np.float64), mean), np.where(constant | (std == 0), 1.0, std)


def _standardized(flat: Array, mean: Array, std: Array) -> Array:
    out = np.empty(flat.shape, dtype=np.float32)
    for start in range(0, len(flat), ROWS):
        out[start : start + ROWS] = (flat[start : start + ROWS] - mean) / std
    return out


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def _chunks(flat: Array) -> list[Array]:
    return [flat[start : start + ROWS] for start in range(0, len(flat), ROWS)]
