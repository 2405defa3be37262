"""Carve: make the validation and test sets that a source does not bring, out of its training examples."""

from dataclasses import replace

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Arrays, check


def carve(arrays: Arrays, n_valid: int | float, n_test: int | float, shuffle: int | None) -> Arrays:
    """`arrays` with all three parts: the first `n_valid` training examples validate, the last `n_test` test.

    A part that the source brings is kept as it is. Sizes are counts, or fractions of the training examples below 1.
    `shuffle` seeds one shuffle before the cut (for files sorted by class), None keeps the order.
    Raises DataError where a size is out of range, validation outnumbers training, or a class loses every example.
    """
    n = len(arrays.x_train)
    valid = 0 if arrays.x_valid is not None else _count(n_valid, n, "n_valid")
    test = 0 if arrays.x_test is not None else _count(n_test, n, "n_test")
    if valid + test >= n:
        raise DataError(
            f"data.n_valid={n_valid} and data.n_test={n_test} leave nothing of the {n} training examples: give less"
            if test
            else f"data.n_valid={n_valid} leaves nothing of the {n} training examples: give less"
        )
    order = np.arange(n)
    if shuffle is not None and valid + test:
        # RandomState is frozen (NEP 19): the same order with every numpy
        order = np.random.RandomState(shuffle).permutation(n)
    x, y = arrays.x_train, arrays.y_train

    def take(part: slice) -> tuple[np.ndarray, np.ndarray]:
        return (x[part], y[part]) if shuffle is None else (x[order[part]], y[order[part]])

    if valid:
        x_valid, y_valid = take(slice(0, valid))
        arrays = replace(arrays, x_valid=x_valid, y_valid=y_valid)
    if test:
        x_test, y_test = take(slice(n - test, n))
        arrays = replace(arrays, x_test=x_test, y_test=y_test)
    if valid or test:
        x_train, y_train = take(slice(valid, n - test))
        arrays = replace(arrays, x_train=x_train, y_train=y_train)
    assert arrays.x_valid is not None
    if len(arrays.x_valid) > len(arrays.x_train):
        raise DataError(
            f"the validation set ({len(arrays.x_valid)}) is larger than the training set ({len(arrays.x_train)})"
            + (": give a smaller data.n_valid" if valid else ": give more training examples")
        )
    return check(arrays, "after the split")


def _count(size: int | float, n: int, key: str) -> int:
    """`size` as a number of examples."""
    if isinstance(size, bool) or not isinstance(size, int | float) or not size > 0:
        raise DataError(f"data.{key}={size}: give a number of examples, or a fraction between 0 and 1")
    if isinstance(size, float) and not size.is_integer():
        if size >= 1:
            raise DataError(f"data.{key}={size}: give a number of examples, or a fraction between 0 and 1")
        return max(1, round(size * n))
    return int(size)
