"""Ranges: what training examples lay between, and in which way others are unlike them; kept beside the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from regimens.data.arrays import Array

LOOKED_AT = 4096  # examples of images, evenly chosen: enough to know their range
CHANNELS = 4
MARGIN, OWN_MARGIN = 0.5, 0.2
TOLD = 5  # columns that are named before "and more"
MOSTLY = 0.5


@dataclass(frozen=True)
class Ranges:
    """Ranges of each of (G,) groups: a table's columns, an image's channels, or all values of an example.

    Values lay between `low` and `high`. Of examples with more than one value in a group, each one's smallest value
    was `most_low` at most, its largest `least_high` at least, and its mean between `mean_low` and `mean_high`.
    `whole`: every value was a whole number.
    """

    low: Array
    high: Array
    most_low: Array
    least_high: Array
    mean_low: Array
    mean_high: Array
    whole: bool

    def arrays(self) -> dict[str, Array]:
        """The ranges by name; `restored` takes them back."""
        names = ("low", "high", "most_low", "least_high", "mean_low", "mean_high")
        return {f"ranges.{name}": np.asarray(getattr(self, name), dtype=np.float64) for name in names}

    def unlike(self, x: Array, names: Sequence[str] = ()) -> list[str]:
        """Sentences about (N, ...) inputs that are out of the ranges; `names` are those of a table's columns."""
        values = grouped(x, len(self.low))
        margin = np.maximum(self.high - self.low, 1e-6 * np.maximum(np.abs(self.high), np.abs(self.low)))
        low, high = values.min(axis=1), values.max(axis=1)
        title = "feature" if values.shape[1] == 1 else "channel"
        names = [f"column {name!r} " for name in names] or [f"{title} {place + 1} " for place in range(len(margin))]
        told = self._beyond(low, high, MARGIN * margin, names if len(margin) > 1 or values.shape[1] == 1 else [""])
        if values.shape[1] > 1 and not told:
            told = self._others(values, low, high, OWN_MARGIN * margin)
        return told

    def _beyond(self, low: Array, high: Array, margin: Array, names: Sequence[str]) -> list[str]:
        out = (low < self.low - margin) | (high > self.high + margin)
        if len(out) >= 10:  # of many, not most may be even a little beyond
            out |= ((low < self.low) | (high > self.high)) & (
                ((low < self.low) | (high > self.high)).mean(axis=0) > MOSTLY
            )
        told = []
        for group in np.flatnonzero(out.any(axis=0)).tolist():
            row = int(out[:, group].argmax())
            value = low[row, group] if low[row, group] < self.low[group] else high[row, group]
            more = f" and {int(out[:, group].sum()) - 1} more" if out[:, group].sum() > 1 else ""
            told.append(
                f"{names[group]}holds {value:g} in row {row + 1}{more}, where training had "
                f"{self.low[group]:g} to {self.high[group]:g}: is it of another scale or unit?"
            )
        return [*told[:TOLD], f"and {len(told) - TOLD} columns more are out of range"] if len(told) > TOLD else told

    def _others(self, values: Array, low: Array, high: Array, margin: Array) -> list[str]:
        """What is odd about examples whose values are in range: they fill too little of it, or channels are swapped."""
        small = ((high < self.least_high - margin) | (low > self.most_low + margin)).any(axis=1)
        if small.any():
            row = int(small.argmax())
            return [
                f"the example in row {row + 1} goes from {low[row].min():g} to {high[row].max():g}, where every one of "
                f"training spans more of {self.low.min():g} to {self.high.max():g}: is it of another scale?"
            ]
        mean = values.mean(axis=1, dtype=np.float64)
        odd = ((mean < self.mean_low - margin) | (mean > self.mean_high + margin)).mean(axis=0) > MOSTLY
        if len(odd) > 1 and odd.any():
            return ["the channels are unlike those of training: are they in the same order (red, green, blue)?"]
        return []


def of(x: Array, table: bool) -> Ranges:
    """The ranges of (N, ...) training inputs; NaN stands for a gap."""
    if not table and len(x) > LOOKED_AT:
        x = x[np.linspace(0, len(x) - 1, LOOKED_AT).astype(int)]
    values = grouped(x, _groups(x, table))
    gaps = np.isnan(values)
    low = np.where(gaps, np.inf, values).min(axis=1)
    high = np.where(gaps, -np.inf, values).max(axis=1)
    full = np.isfinite(low)
    mean = np.where(full, np.where(gaps, 0, values).mean(axis=1, dtype=np.float64), 0)
    known = values[~gaps]
    return Ranges(
        _finite(low.min(axis=0)), _finite(high.max(axis=0)), _finite(low.max(axis=0, where=full, initial=-np.inf)),
        _finite(high.min(axis=0, where=full, initial=np.inf)), mean.min(axis=0), mean.max(axis=0),
        bool((known == np.floor(known)).all()),
    )  # fmt: skip


def restored(arrays: Mapping[str, Array], whole: bool) -> Ranges:
    """The ranges whose `arrays()` these are."""
    found = {name.removeprefix("ranges."): value for name, value in arrays.items() if name.startswith("ranges.")}
    return Ranges(**found, whole=whole)


def grouped(x: Array, groups: int) -> Array:
    """(N, ...) as (N, values of a group, groups)."""
    if groups == 1:
        return x.reshape(len(x), -1, 1)
    if x.ndim == 4 and x.shape[-1] != groups:
        x = np.moveaxis(x, 1, -1)
    return x.reshape(len(x), -1, groups)


def _groups(x: Array, table: bool) -> int:
    """How many groups an example's values form: channels of images; features of a vector if their scales differ."""
    if table:
        return x.shape[1]
    if x.ndim == 4:
        return next((size for size in (x.shape[-1], x.shape[1]) if size <= CHANNELS), 1)
    if x.ndim > 2 or x.dtype == np.uint8:
        return 1
    spans = np.ptp(x, axis=0)
    spans = spans[spans > 0]
    return x.shape[1] if spans.size and spans.max() > 10 * np.median(spans) else 1


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)
