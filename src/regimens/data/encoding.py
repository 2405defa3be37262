"""Encoding: a table's coded columns as features, with what scikit-learn's transformers learn from training rows alone.

What they learnt is kept as plain arrays, and the same transformers are fitted again from it: on one row that holds the
medians, one that has the gaps, and with the categories given. So nothing is pickled, and no private attribute is set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from regimens.data import dates
from regimens.data.arrays import Array
from regimens.data.columns import DATE, WORD, Column


@dataclass(frozen=True)
class AsIs:
    """Features that are inputs as they stand."""

    width: int

    def __call__(self, codes: Array) -> Array:
        """The inputs, one row for each example."""
        return codes.reshape(len(codes), -1)

    def arrays(self) -> dict[str, Array]:
        """Nothing was learnt."""
        return {}


@dataclass(frozen=True)
class Encoder:
    """Turns (N, columns) codes, NaN for gaps, into (N, features) numbers without gaps.

    Words become a feature for each of `categories` (those that training rows have; NaN among them is a gap), all zero
    for other words. Gaps in numbers, truth values and dates are filled with the training rows' median, and one feature
    more says where, for columns with `gaps` in training rows. Dates become `dates.FEATURES`.
    """

    columns: tuple[Column, ...]
    medians: Array
    gaps: Array
    categories: tuple[Array, ...] = field(default=())

    def __call__(self, codes: Array) -> Array:
        """The features of `codes`."""
        words, filled = self._places
        parts = []
        if filled:
            found = self._imputer.transform(codes[:, filled].astype(np.float64))
            for place, column in enumerate(filled):
                values = found[:, place]
                parts.append(dates.features(values) if self.columns[column].kind == DATE else values[:, None])
            parts.append(found[:, len(filled) :])
        if words:
            parts.append(self._one_hot.transform(codes[:, words].astype(np.float64)))
        return np.hstack(parts)

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        words = [place for place, column in enumerate(self.columns) if column.kind == WORD]
        return words, [place for place in range(len(self.columns)) if place not in words]

    @cached_property
    def _imputer(self) -> Any:
        from sklearn.impute import SimpleImputer

        learnt = np.vstack([self.medians, np.where(self.gaps, np.nan, self.medians)])
        return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True).fit(learnt)

    @cached_property
    def _one_hot(self) -> Any:
        from sklearn.preprocessing import OneHotEncoder

        first = np.array([[values[0] for values in self.categories]])
        return OneHotEncoder(categories=list(self.categories), handle_unknown="ignore", sparse_output=False).fit(first)

    @property
    def names(self) -> list[str]:
        """What each feature is called."""
        words, filled = self._places
        found: list[str] = []
        for place in filled:
            column = self.columns[place]
            found += [f"{column.name} {part}" for part in dates.FEATURES] if column.kind == DATE else [column.name]
        found += [f"{self.columns[place].name} is empty" for place, gap in zip(filled, self.gaps, strict=True) if gap]
        for place, values in zip(words, self.categories, strict=True):
            column = self.columns[place]
            found += [f"{column.name}={'' if np.isnan(code) else column.words[int(code)]}" for code in values]
        return found

    @property
    def width(self) -> int:
        """How many features there are."""
        return len(self.names)

    def arrays(self) -> dict[str, Array]:
        """What was learnt, by name; `restored` takes it back."""
        found = {"encoder.medians": self.medians, "encoder.gaps": self.gaps.astype(np.float64)}
        return found | {f"encoder.categories.{place}": values for place, values in enumerate(self.categories)}


def needed(columns: Sequence[Column]) -> bool:
    """Whether the columns are anything but numbers without gaps, which are features as they stand."""
    return any(column.kind in (WORD, DATE) or column.gaps for column in columns)


def fit(columns: Sequence[Column], codes: Array) -> Encoder | AsIs:
    """The encoder of (N, columns) training `codes`; a column without any value there counts as zeros."""
    if not needed(columns):
        return AsIs(int(np.prod(codes.shape[1:])))
    from sklearn.impute import SimpleImputer

    is_word = np.array([column.kind == WORD for column in columns], dtype=bool)
    filled = codes[:, ~is_word].astype(np.float64)
    medians = np.zeros(0)
    if filled.shape[1]:
        medians = SimpleImputer(strategy="median", keep_empty_features=True).fit(filled).statistics_
    categories = tuple(np.unique(codes[:, place].astype(np.float64)) for place in np.flatnonzero(is_word))
    return Encoder(tuple(columns), np.nan_to_num(medians), np.asarray(np.isnan(filled).any(axis=0)), categories)


def restored(columns: Sequence[Column], width: int, arrays: Mapping[str, Array]) -> Encoder | AsIs:
    """The encoder whose `arrays()` these are; `width` counts the features."""
    if not needed(columns):
        return AsIs(width)
    count = sum(name.startswith("encoder.categories.") for name in arrays)
    categories = tuple(arrays[f"encoder.categories.{place}"] for place in range(count))
    return Encoder(tuple(columns), arrays["encoder.medians"], arrays["encoder.gaps"].astype(bool), categories)
