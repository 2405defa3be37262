"""Tables: a .csv with a header as numeric features with names, and a column of labels as numbered classes."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from regimens.core.errors import DataError
from regimens.data.arrays import Array, inputs

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {";": "data.separator=';'", "\t": "data.separator='\\t'", "|": "data.separator='|'"}


def read(path: str | Path, separator: str = ",") -> "pd.DataFrame":
    """The rows of a .csv whose first line names the columns, the names as text.

    Raises DataError for a file that cannot be read, has no rows, another separator, or more cells than names.
    """
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            tab = separator.replace("\\t", "\t")
            table = pd.read_csv(path, sep=tab, index_col=False, skipinitialspace=True, low_memory=False)
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read {path}: it is not UTF-8 text: save it as UTF-8") from error
    except pd.errors.ParserWarning as error:
        raise DataError(f"{path}: its rows have more cells than its first line has names: name every column") from error
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"cannot read {path}: {str(error).strip().splitlines()[0]}") from error
    table.columns = table.columns.map(str)
    if table.shape[1] == 1 and (other := next((one for one in SEPARATORS if one in table.columns[0]), None)):
        raise DataError(f"{path} has one column, {table.columns[0][:40]!r}: try {SEPARATORS[other]}")
    if table.empty:
        raise DataError(f"{path} has no rows below its header")
    return table


def column(table: "pd.DataFrame", name: str, path: str | Path) -> "pd.Series":
    """One column. Raises DataError with the names that there are."""
    if name in table.columns:
        return table[name]
    known = ", ".join(table.columns[:20]) + (", ..." if table.shape[1] > 20 else "")
    headless = "" if any(map(_is_word, table.columns)) else " (the first line has to name the columns)"
    raise DataError(f"{path} has no column {name!r}: its columns are {known}{headless}")


def features(table: "pd.DataFrame", path: str | Path) -> Array:
    """Every column as numbers, (rows, columns) float32.

    Raises DataError for a cell that is empty, no number, or beyond float32, with the column, the row and the way out.
    """
    from pandas.api.types import is_numeric_dtype

    if not table.shape[1]:
        raise DataError(f"{path} has no column besides the labels: nothing to learn from")
    for name, values in table.items():
        leave = f"or leave the column out with data.drop=[{name}]"
        if (gaps := values.isna()).any():
            where = f"in row {int(gaps.to_numpy().argmax()) + 1}" + (
                f" and {int(gaps.sum()) - 1} more" if gaps.sum() > 1 else ""
            )
            raise DataError(f"{path}: column {name!r} is empty {where}: fill it in, {leave}")
        if not is_numeric_dtype(values):
            row = next(row for row, cell in enumerate(values) if _is_word(cell))
            told = f"holds {str(values.iloc[row])[:30]!r} in row {row + 1}"
            raise DataError(f"{path}: column {name!r} {told}: encode it as numbers, {leave}")
    return inputs(table.to_numpy(), str(path))


def counters(table: "pd.DataFrame") -> list[str]:
    """The columns that do nothing but number the rows: what they would teach is the order of the file."""
    from pandas.api.types import is_integer_dtype

    return [str(name) for name, values in table.items() if is_integer_dtype(values) and (values.diff()[1:] == 1).all()]


def classes(answers: "pd.Series", path: str | Path) -> tuple[Array, tuple[str, ...]]:
    """Labels as (rows,) int64 class numbers, and the classes' names: numbers in their order, words in the alphabet's.

    Raises DataError for an empty cell, and for numbers that are quantities rather than classes.
    """
    from pandas.api.types import is_float_dtype, is_numeric_dtype

    told = f"{path}: column {answers.name!r}"
    if (gaps := answers.isna()).any():
        raise DataError(f"{told} is empty in row {int(gaps.to_numpy().argmax()) + 1}: every row needs its label")
    quantity = "these are quantities, and only classes can be learnt: give labels, or cut them into ranges"
    if is_float_dtype(answers):
        if not (answers == np.floor(answers)).all():
            raise DataError(f"{told} holds fractions: {quantity}")
        answers = answers.astype(np.int64)
    values = answers.to_numpy() if is_numeric_dtype(answers) else answers.astype(str).to_numpy(dtype=str)
    found, y = np.unique(values, return_inverse=True)
    if len(found) > max(2, len(y) // 2):
        kind = quantity if is_numeric_dtype(answers) else "that is a name for each row and no class: choose data.target"
        raise DataError(f"{told} has {len(found)} different values in {len(y)} rows: {kind}")
    return y.astype(np.int64), tuple(str(name) for name in found)


def select(table: "pd.DataFrame", names: Sequence[str], path: str | Path) -> "pd.DataFrame":
    """The columns `names`, in that order; others are left out. Raises DataError where one is missing."""
    for name in names:
        column(table, name, path)
    return table[list(names)]


def _is_word(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return True
    return False
