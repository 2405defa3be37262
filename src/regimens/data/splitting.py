"""Splitting: which training examples validate and which test, so that classes, groups or times stay as they should."""

import warnings
from collections.abc import Sequence

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Array
from regimens.data.quoting import one_line

LEAST = 3  # examples of a class that has one in each part

Rows = tuple[Array, Array, Array]  # training, validation, test


def plain(order: Array, valid: int, test: int) -> Rows:
    """The first of `order` validate, the last test."""
    return order[valid : len(order) - test], order[:valid], order[len(order) - test :]


def stratified(order: Array, y: Array, valid: int, test: int) -> Rows:
    """Of every class its share, the first of `order` to validation, the last to test.

    A class of three or more examples is in every part, one of fewer in training at least. The shares are rounded by
    the largest remainder, so the order alone decides who goes where.
    """
    counts = np.bincount(y)
    apart = counts >= LEAST
    left = apart if valid >= apart.sum() else np.zeros_like(apart)  # for validation, beside one for training
    test_of = _shares(counts, test, len(y), np.maximum(counts - 1 - left, 0))
    valid_of = _shares(counts, valid, len(y), np.maximum(counts - 1 - test_of, 0))
    parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    ordered = y[order]
    for number in np.flatnonzero(counts):
        places = np.flatnonzero(ordered == number)
        for part, taken in zip(parts, plain(places, valid_of[number], test_of[number]), strict=True):
            part.append(taken)
    train, validation, testing = (order[np.sort(np.concatenate(part))] for part in parts)
    return train, validation, testing


def _shares(counts: Array, size: int, total: int, most: Array) -> Array:
    """Of each class its share of `size`, at least one where it has enough, at most `most`."""
    ideal = counts * (size / total)
    least = np.where((counts >= LEAST) & (most > 0), 1, 0) if size >= (counts >= LEAST).sum() else np.zeros_like(counts)
    share = np.clip(np.floor(ideal).astype(np.int64), least, most)
    while share.sum() < size and (share < most).any():
        share[np.argmax(np.where(share < most, ideal - share, -np.inf))] += 1
    while share.sum() > size and (share > least).any():
        share[np.argmax(np.where(share > least, share - ideal, -np.inf))] -= 1
    return share


def grouped(groups: Array, y: Array, valid: int, test: int, seed: int) -> Rows:
    """No group in two parts; parts have about their sizes, and about the classes' shares (StratifiedGroupKFold).

    Raises DataError where there are fewer groups than parts.
    """
    rows = np.arange(len(y))
    testing = _fold(rows, groups, y, test, seed)
    rest = np.setdiff1d(rows, testing)
    validation = _fold(rest, groups, y, valid, seed)
    return np.setdiff1d(rest, validation), validation, testing


def _fold(rows: Array, groups: Array, y: Array, size: int, seed: int) -> Array:
    from sklearn.model_selection import StratifiedGroupKFold

    if not size:
        return rows[:0]
    found = len(np.unique(groups[rows]))
    folds = min(max(2, round(len(rows) / size)), found, int(np.bincount(y[rows]).max()))
    if folds < 2:
        raise DataError(f"data.group: {found} group is left to divide: give a column with more, or smaller parts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer members than folds; `check` sees what matters
        fold = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = [rows[part] for _, part in fold.split(rows, y[rows], groups[rows])]
    return min((part for part in parts if len(part)), key=lambda part: abs(len(part) - size))


def fold_of(fold: int, folds: int, y: Array, groups: Array | None, shuffle: int | None, stratify: bool) -> Array:
    """The rows of part `fold` of `folds`; by groups, by classes' shares, or plainly, shuffled by `shuffle` if that is
    a seed. Raises DataError where there are fewer groups, or fewer examples of every class, than folds."""
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    seed = {"shuffle": shuffle is not None, "random_state": shuffle}
    if groups is not None:
        if len(np.unique(groups)) < folds:
            raise DataError(f"folds={folds}: there are {len(np.unique(groups))} groups; give fewer folds")
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=shuffle or 0).split(y, y, groups)
    elif stratify and np.bincount(y).max() < folds:
        raise DataError(f"folds={folds}: no class has so many examples; give fewer folds")
    else:
        parts = (StratifiedKFold if stratify else KFold)(folds, **seed).split(y, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer members than folds; `check` sees what matters
        return np.asarray([test for _, test in parts][fold])


def in_time(times: Array, valid: int, test: int) -> Rows:
    """The latest test, those before validate, the earliest train; what happened at one time stays together.

    Raises DataError where too much happened at one time.
    """
    order = np.argsort(times, kind="stable")
    cuts = [_apart(times[order], len(order) - test), 0]
    cuts[1] = _apart(times[order][: cuts[0]], cuts[0] - valid)
    train, validation, testing = order[: cuts[1]], order[cuts[1] : cuts[0]], order[cuts[0] :]
    if not len(train) or (valid and not len(validation)) or (test and not len(testing)):
        raise DataError("data.time: too many rows share one time to split them by it: give finer times, or other sizes")
    return train, validation, testing


def _apart(times: Array, cut: int) -> int:
    """The cut, moved forward or else back to where the time changes."""
    if not 0 < cut < len(times):
        return cut
    after = int(np.searchsorted(times, times[cut - 1], side="right"))
    return after if after < len(times) else int(np.searchsorted(times, times[cut - 1], side="left"))


def rare(y: Array, parts: Sequence[Array], names: Sequence[str]) -> list[str]:
    """Sentences about classes that some of the parts (training, validation, test) have no example of."""
    told = []
    counts = np.bincount(y, minlength=len(names))
    for number, name in enumerate(names):
        without = [part for part, rows in zip(("training", "validation", "test"), parts, strict=True)
                   if len(rows) and not (y[rows] == number).any()]  # fmt: skip
        if counts[number] and without:
            rows = "1 example" if counts[number] == 1 else f"{counts[number]} examples"
            lacking = " or ".join(without)
            told.append(f"class {one_line(name)} has {rows}, none for {lacking}: add some, merge it or leave it out")
    return told
