"""Kinds: what each column of a table holds, found from all its cells or as declared, and which cannot be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from regimens.core.errors import DataError
from regimens.data import dates, numerals
from regimens.data.columns import (
    BOOLEAN,
    DATE,
    KINDS,
    NUMBER,
    TRUTH,
    WORD,
    Column,
    as_texts,
    is_gap,
    is_numeric,
    is_typed,
    where,
)  # fmt: skip
from regimens.data.quoting import one_line, typed

if TYPE_CHECKING:
    import pandas as pd

MOST_WORDS = 1000
MANY_TRUTHS = 8  # true, True, TRUE and the like
MANY = 0.5  # a column is of the kind that this part of its cells is; the rest are what is wrong with it


@dataclass(frozen=True)
class Reading:
    """How a table's cells are to be read, where that is not to be found: `types` of columns, `decimal` mark, words that
    count as `missing`."""

    types: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "auto"
    missing: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.decimal not in ("auto", ".", ","):
            raise DataError(f"data.decimal={self.decimal}: choose auto, . or {typed('data.decimal', ',')}")
        for name, kind in self.types.items():
            if kind not in KINDS and not ("%" in kind and dates.is_format(kind)):
                example = typed("data.types", {name: "%d/%m/%Y"})
                told = f"data.types: {name!r} is declared {kind!r}"
                raise DataError(f"{told}: choose {', '.join(KINDS)}, or a date's format: {example}")


def blanked(table: "pd.DataFrame", missing: Sequence[str]) -> "pd.DataFrame":
    """The table with its words for nothing emptied, in every column of text."""
    if not missing:
        return table
    gone = {word.strip() for word in missing}
    emptied = {
        str(name): cells if is_typed(cells) else cells.map(lambda cell: "" if str(cell).strip() in gone else cell)
        for name, cells in table.items()
    }
    return table.assign(**emptied)


def find(table: "pd.DataFrame", reading: Reading) -> tuple[list[Column], dict[str, str]]:
    """The columns of a table, and what is wrong with those that cannot be used (name -> words).

    Raises DataError for a declared type of a column that there is not.
    """
    unknown = [name for name in reading.types if name not in table.columns]
    if unknown:
        known = one_line(", ".join(map(str, table.columns)))
        raise DataError(f"data.types names {', '.join(map(repr, unknown))}: the columns are {known}")
    texts = {str(name): as_texts(cells) for name, cells in table.items() if not is_typed(cells)}
    marks = _evidence(texts) if reading.decimal == "auto" else reading.decimal
    columns: list[Column] = []
    problems: dict[str, str] = {}
    for name, cells in table.items():
        found, problem = texts.get(str(name), (cells, ""))
        one = problem or _column(str(name), cells, found, reading, marks)
        if isinstance(one, Column):
            columns.append(one)
        else:
            problems[str(name)] = one
    return columns, problems


def _evidence(texts: Mapping[str, tuple["pd.Series", str]]) -> str:
    """The decimal mark that columns of numbers agree on where only one can be theirs; "" for none or both."""
    seen = {mark for cells, problem in texts.values() if not problem for mark in _forced(cells)}
    return seen.pop() if len(seen) == 1 else ""


def _forced(cells: "pd.Series") -> set[str]:
    if numerals.all_plain(cells):
        return {"."} if any("." in text and not numerals.is_number(text, ",") for text in cells) else set()
    possible = numerals.marks({text for text in cells[~is_gap(cells)] if not numerals.is_infinite(text)})
    return possible if len(possible) == 1 else set()


def _column(name: str, cells: "pd.Series", texts: "pd.Series", reading: Reading, mark: str) -> Column | str:
    """The column, or what is wrong with it."""
    declared = reading.types.get(name)
    if is_typed(cells) and declared in (None, NUMBER, BOOLEAN, DATE):
        return _of_type(name, cells)
    if is_typed(cells):
        texts = as_texts(cells)[0]
    if declared == WORD:
        return _of_words(name, texts, declared=True)
    gaps = is_gap(texts)
    if gaps.all():
        words = sorted(set(texts) - {""})
        return f"holds nothing but {', '.join(map(repr, words))}" if words else "is empty"
    full = texts[~gaps]
    if declared == BOOLEAN:
        return Column(name, BOOLEAN, gaps=bool(gaps.any()))
    if declared == NUMBER:
        return Column(name, NUMBER, mark=mark or ".", grouped=bool(mark), gaps=bool(gaps.any()))
    if declared is not None:
        forms = [declared] if "%" in declared else dates.formats(list(full))
        return Column(name, DATE, form=(forms or [dates.ISO])[0], gaps=bool(gaps.any()))
    return _found(name, texts, full, gaps, mark)


def _of_type(name: str, cells: "pd.Series") -> Column | str:
    from pandas.api.types import is_bool_dtype

    gaps = cells.isna()
    if gaps.all():
        return "is empty"
    if is_numeric(cells):
        return Column(name, NUMBER, gaps=bool(gaps.any()))
    if is_bool_dtype(cells):
        return Column(name, BOOLEAN, gaps=bool(gaps.any()))
    return Column(name, DATE, form=dates.ISO, gaps=bool(gaps.any()))


def _found(name: str, texts: "pd.Series", full: "pd.Series", gaps: np.ndarray, mark: str) -> Column | str:
    """The kind of a column whose cells are text, from those that say something."""
    different = set(full)
    some = bool(gaps.any())
    if len(different) <= MANY_TRUTHS and {text.lower() for text in different} <= TRUTH.keys():
        return Column(name, BOOLEAN, gaps=some)
    numbers = different
    plain = numerals.all_plain(different)
    if not plain:
        numbers = {text for text in different if numerals.marks([text]) or numerals.is_infinite(text)}
    if numbers == different:
        if any(numerals.is_code(text) for text in different if text[0] == "0"):
            return _of_words(name, texts, codes=True)
        said = [text for text in dict.fromkeys(full) if plain or not numerals.is_infinite(text)]
        return _of_numbers(name, texts, said, some, mark)
    forms = dates.formats(list(dict.fromkeys(full)))
    if len(forms) > 1:
        told = typed("data.types", {name: forms[0]})
        return f"holds {full.iloc[0]!r}, a date of the format {' or '.join(forms)}: say which with {told}"
    if forms:
        return Column(name, DATE, form=forms[0], gaps=some)
    return _mixed(full, numbers) or _of_words(name, texts)


def _of_numbers(name: str, texts: "pd.Series", numbers: Sequence[str], gaps: bool, mark: str) -> Column | str:
    possible = numerals.marks(numbers)
    if not possible:
        dot, comma = (next(text for text in numbers if only not in numerals.marks([text])) for only in (",", "."))
        return (
            f"holds both {dot!r} and {comma!r} in {where(np.flatnonzero(texts == comma))}: decimal marks of two kinds"
        )
    if len(possible) == 1:
        (own,) = possible
    elif numerals.same_either_way(numbers) or (not any("," in text for text in numbers) and not mark):
        own = "."
    elif not mark:
        odd = next(text for text in numbers if "," in text)
        told = typed("data.decimal", ",")
        return f"holds {odd!r} in {where(np.flatnonzero(texts == odd))}: if that is a decimal comma, say {told}"
    else:
        own = mark
    other = "," if own == "." else "."
    return Column(name, NUMBER, mark=own, grouped=other in "".join(numbers), gaps=gaps)


def _mixed(full: "pd.Series", numbers: set[str]) -> str:
    """What is wrong with a column of numbers or dates that has something else in it; "" for a column of words."""
    is_in = full.isin(numbers)
    if is_in.mean() >= MANY:
        odd = full[~is_in].iloc[0]
        told = typed("data.missing", [odd])
        return f"holds {odd[:30]!r} in {where(full.index[full == odd])} among numbers ({told} counts it as empty)"
    if full.str.contains(r"\d", regex=True).mean() >= MANY:
        for form in (dates.ISO, *dates.DAYS):
            known = ~np.isnan(dates.days(full, form))
            if known.mean() >= MANY:
                odd = full[~known].iloc[0]
                return f"holds {odd[:30]!r} in {where(full.index[full == odd])} among dates"
    return ""


def _of_words(name: str, texts: "pd.Series", codes: bool = False, declared: bool = False) -> Column | str:
    full = texts[texts != ""]
    words = sorted(set(full))
    if not words:
        return "is empty"
    most = MOST_WORDS if declared else min(MOST_WORDS, max(2, len(full) * MANY))
    if len(words) > most:
        kind = "codes with zeros in front" if codes else "words"
        remedy = f" ({typed('data.types', {name: NUMBER})} takes them as numbers)" if codes else ""
        first = f"{full.iloc[0][:30]!r} in row {full.index[0] + 1}"
        return f"holds {len(words)} different {kind} in {len(full)} cells, {first}{remedy}"
    return Column(name, WORD, words=tuple(words), gaps=len(full) < len(texts))
