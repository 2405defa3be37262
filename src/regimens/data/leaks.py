"""Leaks: columns that no prediction will have, or that say the answer; what each would teach."""

import re

import numpy as np

from regimens.data.arrays import Array
from regimens.data.columns import NUMBER, Column

_ID = re.compile(r"(?:.*[\W_])?(?:id|idx|index|key|uuid|no|nr|num|number|row|rowid|unnamed: \d+)", re.IGNORECASE)
_CAMEL = re.compile(r".*[a-z]I[Dd]")
FEW_ROWS = 20  # below, whole numbers that only grow are no wonder
ROWS_PER_VALUE = 5
EXACT = 1e-9  # what a correlation of 1 may lack by rounding
SURE = 3  # rows of a value that make its class no chance


def numbering(column: Column, values: Array) -> str:
    """What is wrong with a column of (N,) numbers that only tells rows apart; "" where nothing is."""
    if column.kind != NUMBER or len(values) < 2 or not np.isfinite(values).all() or (values != np.floor(values)).any():
        return ""
    steps = np.diff(values)
    if (steps == 1).all() or (len(values) >= FEW_ROWS and (steps == 1).mean() > 0.9):
        return "only numbers the rows, and would teach their order in the file"
    if len(np.unique(values)) < len(values) or len(values) < FEW_ROWS:
        return ""
    if values.max() - values.min() == len(values) - 1:
        return "numbers the rows in another order, and would teach which row is which"
    if (steps > 0).all() or (steps < 0).all():
        return "grows or falls from row to row, and would teach their order in the file"
    if _ID.fullmatch(column.name) or _CAMEL.fullmatch(column.name):
        return "has another number in every row and the name of a key, and would teach which row is which"
    return ""


def answering(values: Array, y: Array) -> str:
    """What is wrong with a column whose (N,) values each go with one class of the labels `y`; "" where nothing is."""
    different, codes = np.unique(values, return_inverse=True)
    n_classes = int(y.max()) + 1
    if len(different) < 2 or len(different) * ROWS_PER_VALUE > len(y) or n_classes < 2:
        return ""
    table = np.zeros((len(different), n_classes), dtype=np.int64)
    np.add.at(table, (codes, y), 1)
    if ((table > 0).sum(axis=1) > 1).any():
        return ""
    # A value seen once or twice goes with one class by nature: each class needs rows that are no such chance.
    if any(column[column >= SURE].sum() < column.sum() / 2 for column in table.T if column.sum()):
        return ""
    if len(different) == n_classes:
        return "says the label in other words, and would teach nothing else"
    return f"decides the label: each of its {len(different)} values goes with one class"


def repeating(values: Array, y: Array) -> str:
    """What is wrong with a column whose (N,) values are a quantity of `y` (N, quantities) in another unit; else ""."""
    known = np.isfinite(values)
    if known.sum() < FEW_ROWS or np.ptp(values[known]) == 0:
        return ""
    for target in y.T:
        if np.ptp(target[known]) and abs(np.corrcoef(values[known], target[known])[0, 1]) > 1 - EXACT:
            return "is what is to be predicted, perhaps in another unit, and would teach nothing else"
    return ""
