"""Labels: each value of a column is a class, called as in the file; or numbers are quantities to be predicted."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from regimens.core.errors import DataError
from regimens.data import kinds, leaks, numerals
from regimens.data.arrays import Array
from regimens.data.columns import BOOLEAN, NOTHING, NUMBER, WORD, as_texts, code, where
from regimens.data.kinds import Reading
from regimens.data.quoting import few, typed

if TYPE_CHECKING:
    import pandas as pd

NAN = frozenset({"nan", "-nan", "<na>", "#n/a", "#na"})  # no word of any language
QUANTITY = (
    "these are quantities, and only classes can be learnt here: predict them with task=regression, or give labels"
)
RARE, FEW, MANY_NUMBERS = 3, 10, 20


@dataclass(frozen=True)
class Labels:
    """(rows,) int64 class numbers and what each class is called, or (rows, quantities) numbers without classes; what is
    to be told about them and warned of; and what is wrong with a column of (rows,) values that gives them away, if so.
    """

    y: Array
    names: tuple[str, ...]
    told: str
    leak: Callable[[Array], str]
    notes: tuple[str, ...] = ()


def classes(cells: "pd.Series", path: Path, declared: str | None = None) -> Labels:
    """The classes of a column of labels of the file `path`: numbers in their order, words in the alphabet's.

    `declared` is "word" where numbers, and words for nothing, are names. Raises DataError for an empty cell, and for
    numbers that are quantities rather than classes.
    """
    told = f"{path}: column {str(cells.name)!r}"
    texts, problem = as_texts(cells)
    if problem:
        raise DataError(f"{told} {problem}")
    counts = Counter(texts)
    nothing = {text for text in counts if text.lower() in NOTHING and declared != WORD}
    values = {text: numerals.as_decimal(text) for text in counts if text and text not in nothing}
    numbers = {text: value for text, value in values.items() if value is not None and declared != WORD}
    numeric = 0 < len(numbers) == len(values)
    _refuse_gaps(
        texts, nothing if numeric else {text for text in nothing if text.lower() in NAN}, told, str(cells.name)
    )
    if numeric and not any(map(numerals.is_code, numbers)):
        _refuse_quantities(numbers, counts, told)
    elif len(counts) > max(2, len(texts) // 2):
        kind = "that is a name for each row and no class: choose data.target"
        raise DataError(f"{told} has {len(counts)} different values in {len(texts)} rows: {kind}")
    names = sorted(counts, key=lambda text: (numbers[text], text) if numeric else (Decimal(0), text))
    place = {name: number for number, name in enumerate(names)}
    y = np.array([place[text] for text in texts], dtype=np.int64)
    notes = _notes(names, numbers if numeric else {})
    said = f"{str(cells.name)!r} has {len(names)} classes: {few(names)}"
    noted = tuple(f"{path.name}: column {str(cells.name)!r}: {note}" for note in notes)
    return Labels(y, tuple(names), said, partial(leaks.answering, y=y), noted)


def quantities(table: "pd.DataFrame", path: Path, reading: Reading) -> Labels:
    """The numbers of a table's columns. Raises DataError, in one line, for all that hold anything else, or gaps."""
    columns, problems = kinds.find(table, reading)
    values = {}
    for column in columns:
        coded = code(column, table[column.name])
        if column.kind not in (NUMBER, BOOLEAN):
            problems[column.name] = f"holds {column.kind}s, such as {str(table[column.name].iloc[0])[:30]!r}"
        elif coded.problems:
            problems[column.name] = coded.problems[0]
        elif len(gaps := np.flatnonzero(np.isnan(coded.values))):
            problems[column.name] = f"is empty in {where(gaps)}"
        values[column.name] = coded.values
    if problems:
        told = "; ".join(f"column {name!r} {problem}" for name, problem in problems.items())
        raise DataError(f"{path}: {told}: task=regression needs a number in every row")
    y = np.column_stack([values[name] for name in table.columns])
    said = ", ".join(
        f"{name!r} from {column.min():g} to {column.max():g}" for name, column in zip(values, y.T, strict=True)
    )
    return Labels(y, (), said, partial(leaks.repeating, y=y))


def _refuse_gaps(texts: "pd.Series", nothing: set[str], told: str, name: str) -> None:
    gaps = np.flatnonzero(texts.isin({"", *nothing}))
    if not gaps.size:
        return
    said = texts.iloc[gaps[0]]
    if not said:
        raise DataError(f"{told} is empty in {where(gaps)}: every row needs its label")
    declare = typed("data.types", {name: WORD})
    raise DataError(
        f"{told} says {said!r} in {where(gaps)}, which is no label: fill it in, or make it a class with {declare}"
    )


def _refuse_quantities(numbers: Mapping[str, Decimal], counts: Mapping[str, int], told: str) -> None:
    rows, rare = sum(counts.values()), sum(count < RARE for count in counts.values())
    if len(counts) > max(2, rows // 2):
        raise DataError(f"{told} has {len(counts)} different values in {rows} rows: {QUANTITY}")
    fractions = any(number.is_finite() and number != number.to_integral_value() for number in numbers.values())
    if fractions and (rare or len(counts) > FEW):
        raise DataError(f"{told} holds fractions: {QUANTITY}")
    if len(counts) > FEW and rare >= len(counts) / 4:
        raise DataError(f"{told} has {len(counts)} different numbers in {rows} rows, {rare} of them rare: {QUANTITY}")


def _notes(names: list[str], numbers: Mapping[str, Decimal]) -> list[str]:
    notes = [f"{name!r} counts as a class of its own" for name in names if name.lower() in NOTHING]
    alike = [pair for pair in pairwise(names) if pair[0] in numbers and numbers[pair[0]] == numbers[pair[1]]]
    folded = sorted(names, key=lambda name: (name.lower(), name))
    alike += [pair for pair in pairwise(folded) if pair[0].lower() == pair[1].lower()]
    notes += [f"{one!r} and {other!r} are two classes; write them alike if they are one" for one, other in alike]
    if len(numbers) > MANY_NUMBERS:
        notes.append(f"its {len(numbers)} numbers count as {len(numbers)} classes: are they a quantity?")
    return notes
