"""Columns of a table: what each holds, and its cells as numbers; the same code reads training and prediction."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from regimens.data import dates, numerals
from regimens.data.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

NUMBER, BOOLEAN, WORD, DATE = KINDS = ("number", "boolean", "word", "date")
#: text that programs write where there is nothing (as pandas reads it); in a column of words it is a word
NOTHING = frozenset({"#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a", "na",
                     "null", "nan", "none"})  # fmt: skip
LONGEST = max(map(len, NOTHING))
TRUTH = {"true": 1.0, "false": 0.0}
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Column:
    """A column as training saw it.

    `mark` is the decimal mark of a column of numbers, `grouped` whether it groups thousands by the other one; `form` is
    a date's format; `words` are all words of a column of words, whose places are their codes; `gaps`: some were empty.
    """

    name: str
    kind: str
    mark: str = "."
    grouped: bool = False
    form: str = ""
    words: tuple[str, ...] = ()
    gaps: bool = False

    def plain(self) -> dict[str, Any]:
        """What it is in plain data, defaults left out; `restored` takes it back."""
        default = Column("", "")
        return {key: value for key, value in asdict(self).items() if value != getattr(default, key)}


def restored(told: Mapping[str, Any]) -> Column:
    """The column whose `plain()` this is."""
    known = {one.name for one in fields(Column)}
    found = {key: value for key, value in told.items() if key in known}
    return Column(**{**found, "words": tuple(found.get("words", ()))})


@dataclass
class Coded:
    """A column as (N,) float64 `values`, NaN for gaps, -1 for unknown words; `problems` forbid its use, `notes` not."""

    values: Array
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def code(column: Column, cells: "pd.Series") -> Coded:
    """The cells of a column as numbers. Cells are text, or of a type of their own, as pandas reads files."""
    if column.kind == NUMBER and is_numeric(cells):
        return _refuse_gaps(column, _typed_numbers(cells))
    texts, problem = as_texts(cells)
    if problem:
        return _unusable(texts, problem)
    if column.kind == NUMBER:
        found = _numbers(column, texts)
    elif column.kind == BOOLEAN:
        found = _truth(texts)
    elif column.kind == WORD:
        found = _words(column, texts, typed=is_typed(cells), nothing=bool(cells.isna().any()))
    else:
        found = _dates(column, cells, texts)
    return _refuse_gaps(column, found)


def _refuse_gaps(column: Column, found: Coded) -> Coded:
    gaps = np.flatnonzero(np.isnan(found.values))
    if gaps.size and not column.gaps and not found.problems:
        found.problems.append(f"is empty in {where(gaps)}")
    return found


def _unusable(cells: "pd.Series", problem: str) -> Coded:
    return Coded(np.full(len(cells), np.nan), [problem])


def example(column: Column, value: float) -> object:
    """A cell that such a column may hold; `value` is the code of a number or a date."""
    if column.kind == NUMBER:
        return round(float(value), 3)
    if column.kind == BOOLEAN:
        return True
    return column.words[0] if column.kind == WORD else np.datetime_as_string(np.datetime64(int(value), "D"))


def where(places: Iterable[int]) -> str:
    """Rows in words: the first, counted from 1, and how many more."""
    first, *more = list(places)
    return f"row {first + 1}" + (f" and {len(more)} more" if more else "")


def as_texts(cells: "pd.Series") -> tuple["pd.Series", str]:
    """The cells as text without blanks around, "" where there is none, and what is wrong if they cannot be text."""
    import pandas as pd

    if cells.dtype != object or set(map(type, cells)) != {str}:
        empty = cells.isna()
        odd = [place for place, cell in enumerate(cells) if not empty.iloc[place] and not _is_scalar(cell)]
        if odd:
            kind = type(cells.iloc[odd[0]]).__name__
            return cells, f"holds a {kind} in {where(odd)}, which is neither number nor text"
        cells = cells.astype(object).where(~empty, "").map(_text)
    return pd.Series([cell.strip() for cell in cells], dtype=object), ""


def _is_scalar(cell: object) -> bool:
    import datetime
    import decimal

    return isinstance(
        cell, str | bool | int | float | np.generic | decimal.Decimal | datetime.date | datetime.time | bytes
    )


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return str(cell)


def is_numeric(cells: "pd.Series") -> bool:
    """Whether the cells are numbers already, and no truth values."""
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(cells) and not is_bool_dtype(cells) and not is_complex_dtype(cells))


def is_typed(cells: "pd.Series") -> bool:
    """Whether the cells are no text, but numbers, truth values or times."""
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype

    return is_numeric(cells) or bool(is_bool_dtype(cells) or is_datetime64_any_dtype(cells))


def is_gap(texts: "pd.Series") -> Array:
    """Which texts say that there is nothing, outside columns of words."""
    return np.array([len(text) <= LONGEST and (not text or text.lower() in NOTHING) for text in texts], dtype=bool)


def _typed_numbers(cells: "pd.Series") -> Coded:
    found = Coded(cells.to_numpy(dtype=np.float64, na_value=np.nan))
    texts = cells.astype(str) if cells.dtype.kind in "iu" and np.abs(found.values).max(initial=0) > 2**53 else None
    return _in_range(found, cells if texts is None else texts, ".", exact=texts is None)


def _numbers(column: Column, texts: "pd.Series") -> Coded:
    if column.mark == "." and numerals.all_plain(texts):
        return _in_range(Coded(numerals.values(texts, ".", as_python=True)), texts, ".")
    kept = texts.mask(is_gap(texts), "")
    infinite = np.array([numerals.is_infinite(text) for text in kept], dtype=bool)
    mark, problem = _mark(column, kept.mask(infinite, ""))
    if problem:
        return _unusable(texts, problem)
    values = numerals.values(kept.mask(infinite, ""), mark)
    values[infinite] = np.inf
    return _in_range(Coded(values), texts, mark)


def _in_range(found: Coded, cells: "pd.Series", mark: str, exact: bool = False) -> Coded:
    """`found` itself, with a problem where a number is infinite, too large, or longer than a float64 can tell apart."""
    large = np.flatnonzero(np.abs(found.values) > LARGEST)  # NaN is not larger
    if large.size:
        found.problems.append(f"holds {cells.iloc[large[0]]} in {where(large)}, which is infinite or beyond float32")
    elif not exact and (place := numerals.merged(cells, found.values, mark)) is not None:
        found.problems.append(f"holds {cells.iloc[place]} in row {place + 1}, with more digits than a number can keep")
    return found


def _mark(column: Column, texts: "pd.Series") -> tuple[str, str]:
    """The decimal mark of these numbers, or what is wrong: a word, two marks, or no telling which."""
    numbers = list(dict.fromkeys(text for text in texts if text))
    possible = numerals.marks(numbers)
    if not possible:
        odd = next((text for text in numbers if not numerals.marks([text])), None)
        odd = odd or next(text for text in numbers if column.mark not in numerals.marks([text]))
        return "", f"holds {odd[:30]!r} in {where(np.flatnonzero(texts == odd))}, where there are numbers otherwise"
    if column.mark not in possible:
        return possible.pop(), ""
    other = "," if column.mark == "." else "."
    if other in possible and not column.grouped and (odd := next((text for text in numbers if other in text), None)):
        return "", f"holds {odd!r} in {where(np.flatnonzero(texts == odd))}: is that a decimal mark, or thousands?"
    return column.mark, ""


def _truth(texts: "pd.Series") -> Coded:
    known = TRUTH | {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
    gaps = is_gap(texts)
    odd = [place for place, text in enumerate(texts) if not gaps[place] and text.lower() not in known]
    if odd:
        told = f"holds {texts.iloc[odd[0]][:30]!r} in {where(odd)}"
        return _unusable(texts, f"{told}, where there are True and False otherwise")
    return Coded(np.array([known.get(text.lower(), np.nan) for text in texts], dtype=np.float64))


def _words(column: Column, texts: "pd.Series", typed: bool, nothing: bool) -> Coded:
    places: dict[str, float] = {word: place for place, word in enumerate(column.words)}
    by_value = _by_value(column.words) if typed else {}
    places.setdefault("", _the_word_for_nothing(column) if nothing else np.nan)
    found = Coded(np.array([places.get(text, _of_number(text, by_value)) for text in texts], dtype=np.float64))
    unknown = np.flatnonzero(found.values == -1)
    if unknown.size:
        told = texts.iloc[unknown[0]][:30]
        found.notes.append(f"holds {told!r} in {where(unknown)}, which training never saw: it counts as no word at all")
    return found


def _the_word_for_nothing(column: Column) -> float:
    """The code of the one word that pandas reads as nothing, where nothing else in training was empty; else NaN."""
    said = [place for place, word in enumerate(column.words) if word.lower() in NOTHING]
    return said[0] if len(said) == 1 and not column.gaps else np.nan


def _by_value(words: tuple[str, ...]) -> dict[float, int]:
    """Places by the number that a word is, for a column that pandas reads as numbers: 01 as 1."""
    found: dict[float, list[int]] = {}
    for place, word in enumerate(words):
        if numerals.is_number(word, "."):
            found.setdefault(float(numerals.plain(word, ".")), []).append(place)
    return {value: places[0] for value, places in found.items() if len(places) == 1}


def _of_number(text: str, by_value: Mapping[float, int]) -> float:
    return by_value.get(float(text), -1) if by_value and numerals.all_plain([text]) and text else -1


def _dates(column: Column, cells: "pd.Series", texts: "pd.Series") -> Coded:
    from pandas.api.types import is_datetime64_any_dtype

    if is_datetime64_any_dtype(cells):
        return Coded(dates.elapsed(cells))
    gaps = is_gap(texts)
    values = dates.days(texts, column.form)
    if column.form != dates.ISO:
        values = np.where(np.isnan(values) & ~gaps, dates.days(texts, dates.ISO), values)
    values[gaps] = np.nan
    odd = np.flatnonzero(np.isnan(values) & ~gaps)
    if odd.size:
        told = f"holds {texts.iloc[odd[0]][:30]!r} in {where(odd)}"
        return _unusable(texts, f"{told}, where there are dates ({column.form}) otherwise")
    return Coded(values)
