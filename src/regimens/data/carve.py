"""Carve: make the validation and test sets that a source does not bring, out of its training examples."""

from dataclasses import replace

import numpy as np

from regimens.core.errors import DataError
from regimens.data import splitting
from regimens.data.arrays import Arrays, check
from regimens.data.quoting import one_line


def carve(
    arrays: Arrays,
    n_valid: int | float,
    n_test: int | float,
    shuffle: int | None,
    stratify: bool = False,
    folds: int | None = None,
    fold: int = 0,
) -> Arrays:
    """`arrays` with all three parts: the first `n_valid` training examples validate, the last `n_test` test.

    A part that the source brings is kept as it is. Sizes are counts, or fractions of the training examples below 1.
    `shuffle` seeds one shuffle before the cut (for files sorted by class), None keeps the order. With `stratify`, each
    part gets every class's share of the shuffled examples (quantities have none). `groups` and `times` of the arrays
    come before both. With `folds`, the test set is instead part `fold` (from 0) of so many parts of all examples.
    Raises DataError where a size is out of range, validation outnumbers training, or a class loses every example.
    """
    n = len(arrays.x_train)
    if folds is not None:
        return carve(_without_fold(arrays, folds, fold, shuffle, stratify), n_valid, n_test, shuffle, stratify)
    stratify = stratify and not arrays.quantities
    valid = 0 if arrays.x_valid is not None else _count(n_valid, n, "n_valid")
    test = 0 if arrays.x_test is not None else _count(n_test, n, "n_test")
    if valid + test >= n:
        raise DataError(
            f"data.n_valid={n_valid} and data.n_test={n_test} leave nothing of the {n} training examples: give less"
            if test
            else f"data.n_valid={n_valid} leaves nothing of the {n} training examples: give less"
        )
    if valid or test:
        arrays = _divided(arrays, valid, test, shuffle, stratify)
    assert arrays.x_valid is not None
    if len(arrays.x_valid) > len(arrays.x_train):
        raise DataError(
            f"the validation set ({len(arrays.x_valid)}) is larger than the training set ({len(arrays.x_train)})"
            + (": give a smaller data.n_valid" if valid else ": give more training examples")
        )
    return check(arrays, "after the split")


def _without_fold(arrays: Arrays, folds: int, fold: int, shuffle: int | None, stratify: bool) -> Arrays:
    """`arrays` with part `fold` of `folds` as its test set, the rest left for training and validation."""
    n = len(arrays.x_train)
    if arrays.x_test is not None:
        raise DataError(f"folds={folds}: this data brings a test set of its own, and folds take turns at being one")
    if arrays.times is not None:
        raise DataError(f"folds={folds} and data.time: only the latest rows test what comes later; give one of them")
    if not isinstance(folds, int) or not 2 <= folds <= n or not isinstance(fold, int) or not 0 <= fold < folds:
        raise DataError(f"folds={folds}, fold={fold}: give 2 to {n} folds, of which the first is 0")
    classes = np.zeros(n, dtype=np.int64) if arrays.quantities else arrays.y_train
    test = splitting.fold_of(fold, folds, classes, arrays.groups, shuffle, stratify and not arrays.quantities)
    rest = np.setdiff1d(np.arange(n), test)
    x, y, groups = arrays.x_train, arrays.y_train, None if arrays.groups is None else arrays.groups[rest]
    return replace(arrays, x_train=x[rest], y_train=y[rest], x_test=x[test], y_test=y[test], groups=groups)


def _divided(arrays: Arrays, valid: int, test: int, shuffle: int | None, stratify: bool) -> Arrays:
    x, y = arrays.x_train, arrays.y_train
    parts = _rows(arrays, valid, test, shuffle, stratify)
    if not arrays.quantities:
        _refuse_lost(arrays, parts, shuffle, stratify)
    notes = (*arrays.notes, *splitting.rare(y, parts, arrays.class_names)) if stratify else arrays.notes
    train, validation, testing = parts
    arrays = replace(arrays, x_train=x[train], y_train=y[train], groups=None, times=None, notes=notes)
    if valid:
        arrays = replace(arrays, x_valid=x[validation], y_valid=y[validation])
    return replace(arrays, x_test=x[testing], y_test=y[testing]) if test else arrays


def _rows(arrays: Arrays, valid: int, test: int, shuffle: int | None, stratify: bool) -> splitting.Rows:
    """The rows of each part."""
    if arrays.groups is not None and arrays.times is not None:
        raise DataError("data.group and data.time: give one of them, since each says how to split")
    if arrays.times is not None:
        return splitting.in_time(arrays.times, valid, test)
    if arrays.groups is not None:
        classes = np.zeros(len(arrays.y_train), dtype=np.int64) if arrays.quantities else arrays.y_train
        return splitting.grouped(arrays.groups, classes, valid, test, shuffle or 0)
    n = len(arrays.y_train)
    # RandomState is frozen (NEP 19): the same order with every numpy
    order = np.arange(n) if shuffle is None else np.random.RandomState(shuffle).permutation(n)
    if stratify and shuffle is not None:
        return splitting.stratified(order, arrays.y_train, valid, test)
    return splitting.plain(order, valid, test)


def _refuse_lost(arrays: Arrays, parts: splitting.Rows, shuffle: int | None, stratify: bool) -> None:
    """Raise DataError where the split leaves no training example of a class, with all such classes and a way out."""
    y = arrays.y_train
    counts, kept = (np.bincount(labels, minlength=arrays.n_classes) for labels in (y, y[parts[0]]))
    lost = [
        f"{one_line(arrays.class_names[number])} ({counts[number]} {'example' if counts[number] == 1 else 'examples'})"
        for number in np.flatnonzero((counts > 0) & (kept == 0))
    ]
    if not lost:
        return
    if arrays.times is not None or arrays.groups is not None:
        out = "give a smaller data.n_valid and data.n_test"
    else:
        out = "shuffle with data.shuffle=0" if shuffle is None else "keep each class's share with ++data.stratify=true"
    which = "class" if len(lost) == 1 else "classes"
    raise DataError(
        f"after the split no training example is left of {which} {', '.join(lost)}: {out}, or leave out or merge "
        "what is too rare"
    )


def _count(size: int | float, n: int, key: str) -> int:
    """`size` as a number of examples."""
    if isinstance(size, bool) or not isinstance(size, int | float) or not size > 0:
        raise DataError(f"data.{key}={size}: give a number of examples, or a fraction between 0 and 1")
    if isinstance(size, float) and not size.is_integer():
        if size >= 1:
            raise DataError(f"data.{key}={size}: give a number of examples, or a fraction between 0 and 1")
        return max(1, round(size * n))
    return int(size)
