"""Labels: each value of a column is a class, called as in the file; quantities are told from classes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from regimens.core.errors import DataError
from regimens.data import numerals
from regimens.data.arrays import Array
from regimens.data.columns import NOTHING, WORD, as_texts, where
from regimens.data.quoting import typed

if TYPE_CHECKING:
    import pandas as pd

NAN = frozenset({"nan", "-nan", "<na>", "#n/a", "#na"})  # no word of any language
QUANTITY = "these are quantities, and only classes can be learnt: give labels, or cut them into ranges"
RARE, FEW, MANY_NUMBERS = 3, 10, 20


@dataclass(frozen=True)
class Labels:
    """(rows,) int64 class numbers, what each class is called, and what is to be said about them."""

    y: Array
    names: tuple[str, ...]
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
    return Labels(y, tuple(names), tuple(f"{path.name}: column {str(cells.name)!r}: {note}" for note in notes))


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
