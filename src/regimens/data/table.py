"""Tables: a file with a header as columns of features, a column of labels, and what is to be said about them."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import sha256
from regimens.data import cells, encoding, kinds, labels, leaks, numerals
from regimens.data.arrays import Array, Arrays, narrowed
from regimens.data.columns import BOOLEAN, DATE, NUMBER, WORD, Column, code
from regimens.data.kinds import Reading
from regimens.data.quoting import few, one_line, typed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class About:
    """Which columns are no features: the label (or the quantities), those left out, and those to split by."""

    targets: tuple[str, ...]
    drop: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    quantities: bool = False


def load(found: cells.Cells, path: Path, about: About, reading: Reading) -> Arrays:
    """The table as Arrays without a split: codes of its features, classes or quantities, and what was found.

    Raises DataError for a column that is not there, labels that are none, and, all in one line, for every column that
    cannot be used.
    """
    table = kinds.blanked(found.table, reading.missing)
    drop, group, time = about.drop, about.group, about.time
    named = [*drop, *about.targets, *(name for name in (group, time) if name is not None)]
    check_names(table.columns, named, path)
    answers = _answers(table, path, about, reading)
    apart = {*about.targets, *drop, *(name for name in (group, time) if name)}
    features = table[[name for name in table.columns if name not in apart]]
    if not features.shape[1]:
        raise DataError(f"{path} has no column besides the labels: nothing to learn from")
    types = {name: kind for name, kind in reading.types.items() if name not in apart or name not in table}
    columns, problems = kinds.find(features, replace(reading, types=types))
    values, notes = {}, dict[str, str]()
    for column in columns:
        coded = code(column, features[column.name])
        if coded.problems:
            problems[column.name] = coded.problems[0]
        elif note := leaks.numbering(column, coded.values) or answers.leak(coded.values):
            notes[column.name] = note
        values[column.name] = coded.values
    if problems:
        raise DataError(_unusable(path, problems, notes, drop))
    (x,) = narrowed([np.column_stack([values[column.name] for column in columns])])
    return Arrays(
        x, answers.y, None, None, None, None, len(answers.names), answers.names, path.name, {path.name: sha256(path)},
        quantities=about.targets if about.quantities else (),
        feature_names=tuple(column.name for column in columns),
        columns=tuple(columns) if encoding.needed(columns) or _otherwise(columns) else (),
        groups=None if group is None else _codes(table[group], path),
        times=None if time is None else _times(table, time, path, reading),
        told=(f"{path.name}: {len(answers.y)} rows; {answers.told}", *_told(columns, values),
              *(f"  {sentence}" for sentence in found.told)),
        notes=(*(f"{path.name}: {note}" for note in found.notes), *answers.notes, *_warnings(path.name, notes, drop)),
    )  # fmt: skip


def _answers(table: "pd.DataFrame", path: Path, about: About, reading: Reading) -> labels.Labels:
    """What is to be learnt: the classes of a column, or the quantities of some."""
    if about.quantities:
        names = list(about.targets)
        types = {name: reading.types[name] for name in names if name in reading.types}
        return labels.quantities(table[names], path, replace(reading, types=types))
    (target,) = about.targets
    return labels.classes(table[target], path, reading.types.get(target))


def check_names(known: Iterable[str], names: Iterable[str], path: Path) -> None:
    """Raise DataError where a name is no column, with all such names and those that there are."""
    known = list(known)
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if not missing:
        return
    told = f"{path} has no column {', '.join(map(repr, missing))}: its columns are {some(known)}"
    if all(numerals.as_decimal(name) is not None for name in known):
        told += " (the first line has to name the columns)"
    elif len(known) == 1 and (cut := next((one for one in ("\t", ";", "|", ",", " ") if one in known[0]), None)):
        told = f"{path} has one column, {known[0][:40]!r}: try {typed('data.separator', cells.escaped(cut))}"
    elif close := difflib.get_close_matches(missing[0].lower(), [name.lower() for name in known], 1):
        told += f"; did you mean {next(name for name in known if name.lower() == close[0])!r}?"
    raise DataError(told)


def select(table: "pd.DataFrame", columns: Sequence[Column], path: str) -> tuple[Array, list[str]]:
    """The (N, columns) codes of the columns that a network was trained on, in its order, and notes on unknown words.

    Raises DataError, in one line, for every column that is missing, or holds what training would have refused.
    """
    names = [str(name).strip() for name in table.columns]
    missing = [column.name for column in columns if column.name not in names]
    twins = [column.name for column in columns if names.count(column.name) > 1]
    if twins:
        raise DataError(f"{path} has column {', '.join(map(repr, twins))} more than once")
    if missing:
        raise DataError(f"{path} has no column {', '.join(map(repr, missing))}: its columns are {some(names)}")
    coded = {column.name: code(column, table.iloc[:, names.index(column.name)]) for column in columns}
    problems = [f"column {name!r} {one.problems[0]}" for name, one in coded.items() if one.problems]
    if problems:
        raise DataError(f"{path}: {'; '.join(problems)}: give what the network was trained on")
    notes = [f"{path}: column {name!r} {note}" for name, one in coded.items() for note in one.notes]
    return np.column_stack([one.values for one in coded.values()]), notes


def numeric(table: "pd.DataFrame", target: str | None, path: str) -> list[Column]:
    """The columns of a table for a network that was trained on arrays: all but `target`, in order.

    Raises DataError for all that hold anything but numbers, or gaps.
    """
    columns, problems = kinds.find(table[[name for name in table.columns if name != target]], Reading())
    odd = [*problems, *(column.name for column in columns if column.kind not in (NUMBER, BOOLEAN) or column.gaps)]
    if odd:
        raise DataError(
            f"{path}: column {', '.join(map(repr, odd))} is not all numbers, on which the network was trained"
        )
    return columns


def some(names: Sequence[str]) -> str:
    """Names in a line, the first twenty."""
    return one_line(", ".join(names[:20])) + (", ..." if len(names) > 20 else "")


def _otherwise(columns: Sequence[Column]) -> bool:
    """Whether a column is not read as Python reads numbers, so that prediction has to know."""
    return any(column.kind != NUMBER or column.mark != "." or column.grouped for column in columns)


def _unusable(path: Path, problems: Mapping[str, str], notes: Mapping[str, str], drop: Sequence[str]) -> str:
    told = [f"column {name!r} {problem}" for name, problem in (*problems.items(), *notes.items())]
    names = [*drop, *problems, *notes]
    mend = "mend it" if len(told) == 1 else "mend them"
    return f"{path}: {'; '.join(told)}: {mend}, or leave out what is no feature with {typed('data.drop', names)}"


def _warnings(path: str, notes: Mapping[str, str], drop: Sequence[str]) -> list[str]:
    if not notes:
        return []
    told = [f"{path}: column {name!r} {note}" for name, note in notes.items()]
    return [*told, f"leave such columns out with {typed('data.drop', [*drop, *notes])}"]


def _codes(cells: "pd.Series", path: Path) -> Array:
    """Groups as (N,) numbers; every row needs one."""
    from regimens.data.columns import as_texts, where

    texts, problem = as_texts(cells)
    gaps = np.flatnonzero(texts == "")
    if problem or len(gaps):
        raise DataError(
            f"{path}: column {cells.name!r} {problem or f'is empty in {where(gaps)}'}: every row needs its group"
        )
    return np.unique(texts.to_numpy(dtype=str), return_inverse=True)[1]


def _times(table: "pd.DataFrame", name: str, path: Path, reading: Reading) -> Array:
    """Times as (N,) numbers: dates, or numbers that grow with time."""
    types = {name: reading.types[name]} if name in reading.types else {}
    columns, problems = kinds.find(table[[name]], replace(reading, types=types))
    if columns and columns[0].kind in (NUMBER, DATE):
        coded = code(replace(columns[0], gaps=False), table[name])
        if not coded.problems:
            return coded.values
        problems[name] = coded.problems[0]
    told = problems.get(name, f"holds words, such as {str(table[name].iloc[0])[:30]!r}")
    raise DataError(f"{path}: data.time: column {name!r} {told}: give dates, or numbers that grow with time")


def _told(columns: Sequence[Column], values: Mapping[str, Array]) -> tuple[str, ...]:
    """A few lines about the columns of each kind."""
    lines = []
    for kind, title in ((NUMBER, "numbers"), (BOOLEAN, "truth values"), (WORD, "words"), (DATE, "dates")):
        names = [_as_text(column, values[column.name]) for column in columns if column.kind == kind]
        if names:
            lines.append(f"  {title}: {few(names)}")
    if any(column.gaps and column.kind != WORD for column in columns):
        lines.append("  gaps are filled with the median of the training rows, and marked by a feature of their own")
    return tuple(lines)


def _as_text(column: Column, values: Array) -> str:
    about = []
    if column.kind == WORD:
        about.append(f"{len(column.words)} words")
    if column.mark == "," and column.kind == NUMBER:
        about.append("decimal comma")
    if gaps := int(np.isnan(values).sum()):
        about.append("1 gap" if gaps == 1 else f"{gaps} gaps")
    return column.name + (f" ({', '.join(about)})" if about else "")
