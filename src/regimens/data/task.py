"""Tasks: every class, two halves of a transfer problem (A: all but two classes, B: those two), or regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Array

REGRESSION = "regression"
KINDS = ("all", "a", "b", REGRESSION)


@dataclass(frozen=True)
class ClassTask:
    """Which classes of the data set (in this order) are the classes of the task, and whether it is binary."""

    classes: tuple[int, ...]
    binary: bool

    def select(self, y: Array) -> tuple[Array, Array]:
        """Rows of the task's examples, in order, and their (n,) int64 labels within the task."""
        new = np.full(int(max(y.max(initial=0), *self.classes)) + 1, -1)
        new[list(self.classes)] = np.arange(len(self.classes))
        rows = np.flatnonzero(new[y] >= 0)
        return rows, new[y[rows]].astype(np.int64)


@dataclass(frozen=True)
class Regression:
    """All examples, and the names of the quantities that are predicted."""

    quantities: tuple[str, ...]
    classes: tuple[int, ...] = ()
    binary: bool = False

    def select(self, y: Array) -> tuple[Array, Array]:
        """All rows, in order, and their (N, quantities) values."""
        return np.arange(len(y)), y


def make(kind: str, b_classes: Sequence[int], n_classes: int, quantities: Sequence[str] = ()) -> ClassTask | Regression:
    """The task named `kind` on a data set of `n_classes`, or of `quantities`; in B the second class is positive.

    Raises DataError for an unknown kind, one of another data set's, and for `b_classes` that are not two different
    classes of the data set.
    """
    if kind in KINDS and (kind == REGRESSION) != bool(quantities):
        if quantities:
            raise DataError(f"task={kind}: the data has quantities ({', '.join(quantities)}) and no classes: "
                            "predict them with task=regression")  # fmt: skip
        raise DataError("task=regression: the data has classes and no quantities: leave task=regression out")
    if kind == REGRESSION:
        return Regression(tuple(quantities))
    if kind == "all":
        return ClassTask(tuple(range(n_classes)), binary=False)
    if kind not in KINDS:
        raise DataError(f"task.kind={kind}: choose {', '.join(KINDS)}")
    pair = tuple(b_classes)
    if len(pair) != 2 or len(set(pair)) != 2 or not all(isinstance(c, int) and 0 <= c < n_classes for c in pair):
        raise DataError(f"task.b_classes={list(pair)}: give two different classes out of 0..{n_classes - 1}")
    if kind == "b":
        return ClassTask(pair, binary=True)
    rest = tuple(number for number in range(n_classes) if number not in pair)
    if len(rest) < 2:
        raise DataError(f"task=a needs two classes besides task.b_classes={list(pair)}; the data set has {n_classes}")
    return ClassTask(rest, binary=False)
