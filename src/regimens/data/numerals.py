"""Numerals: whether a cell's text is a number, by which decimal mark, and which number."""

import re
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from regimens.data.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

_EXPONENT = r"(?:[eE][+-]?\d+)?"
_SHAPES = {
    mark: re.compile(
        rf"[+-]?(?:(?:\d+(?:{re.escape(mark)}\d*)?|{re.escape(mark)}\d+){_EXPONENT}"
        rf"|\d{{1,3}}(?:{re.escape(other)}\d{{3}})+(?:{re.escape(mark)}\d*)?)",
        re.ASCII,
    )
    for mark, other in ((".", ","), (",", "."))
}
_PLAIN = frozenset("0123456789+-.eE")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_CODE = re.compile(r"0\d+")
#: more digits than these may say more than a float64 can hold
SAFE_DIGITS = 15
#: rounding of less than this part of a column's spread is harmless
HARMLESS = 1e-4


def is_number(text: str, mark: str) -> bool:
    """Whether `text` is a number with the decimal mark `mark`; thousands may be grouped by the other mark."""
    return _SHAPES[mark].fullmatch(text) is not None


def all_plain(texts: Iterable[str]) -> bool:
    """Whether every text is a number as Python writes it, or empty: a quick look at a whole column."""
    said = [text for text in texts if text]
    if not _PLAIN.issuperset("".join(said)):  # float() takes words and 1_000 for numbers too
        return False
    try:
        deque(map(float, said), maxlen=0)
    except ValueError:
        return False
    return True


def is_infinite(text: str) -> bool:
    """Whether `text` says infinity, as programs write it."""
    return _INFINITE.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether `text` is a whole number with zeros in front, which is rather a code than a quantity."""
    return text.startswith("0") and _CODE.fullmatch(text) is not None


def plain(text: str, mark: str) -> str:
    """A number's text as Python writes it."""
    text = text.replace("\u2212", "-")
    return text.replace("." if mark == "," else ",", "").replace(",", ".")


def marks(texts: Iterable[str]) -> set[str]:
    """The decimal marks with which every one of `texts` is a number: both where nothing tells them apart.

    Empty where one of them is no number either way, or where some need the one mark, some the other.
    """
    texts = list(texts)
    if all_plain(texts):
        return {".", ","} if all("." not in text or is_number(text, ",") for text in texts) else {"."}
    possible = {".", ","}
    for text in texts:
        text = text.replace("\u2212", "-")
        possible = {mark for mark in possible if is_number(text, mark)}
        if not possible:
            break
    return possible


def same_either_way(texts: Iterable[str]) -> bool:
    """Whether the numbers have no mark at all."""
    return not any("," in text or "." in text for text in texts)


def values(texts: Iterable[str], mark: str, as_python: bool = False) -> Array:
    """The (n,) float64 numbers of `texts`, all written as Python writes them or not; an empty text is NaN."""
    if as_python:
        return np.array([float(text) if text else np.nan for text in texts], dtype=np.float64)
    return np.array([float(plain(text, mark)) if text else np.nan for text in texts], dtype=np.float64)


def merged(texts: "pd.Series", numbers: Array, mark: str) -> int | None:
    """The place of the first number whose rounding to float64 is no small part of the column's spread, if one is."""
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return None
    spread = float(np.std(known - known.mean()))
    if np.spacing(np.abs(known).max()) <= HARMLESS * spread:  # wherever it lies, rounding is harmless
        return None
    long = [
        place
        for place, text in enumerate(texts)
        if len(text) > SAFE_DIGITS and sum(map(str.isdigit, text)) > SAFE_DIGITS and np.isfinite(numbers[place])
    ]
    if not long or len(set(texts)) == 1:
        return None
    for place in long:
        if abs(Decimal(plain(texts.iloc[place], mark)) - Decimal(float(numbers[place]))) > HARMLESS * spread:
            return place
    return None


def as_decimal(text: str) -> Decimal | None:
    """The number that a label is, with either mark, or None where it is a word."""
    for mark in (".", ","):
        if is_number(text, mark):
            return Decimal(plain(text, mark))
    return Decimal(text.lower()) if is_infinite(text) else None
