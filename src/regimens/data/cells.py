"""Cells: a table's file as columns with names, each cell as it stands in the file; nothing is rewritten yet."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from regimens.core.errors import DataError
from regimens.data.quoting import typed
from regimens.data.text import decode, read_bytes

if TYPE_CHECKING:
    import pandas as pd

TAB = "\t"
SEPARATORS = (TAB, ";", "|", ",")  # where two divide a file alike, the one that is rarer inside cells
LOOKED_AT = 200  # lines from which the separator is guessed
PARQUET = b"PAR1"

Rows = list[list[str]]


@dataclass(frozen=True)
class Cells:
    """A table. Columns of a text file hold text, "" where a cell is empty; those of a .parquet file their own types.

    `told` are sentences about what was found, `notes` about what had to be guessed, or was left out.
    """

    table: "pd.DataFrame"
    told: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(path: Path, separator: str = "auto", encoding: str = "auto") -> Cells:
    """The cells of a .csv, .tsv (packed or not), or .parquet file.

    Raises DataError for a file that cannot be read, has no rows or a ragged one, or whose header repeats a name.
    """
    content = read_bytes(path)
    if content.startswith(PARQUET):
        return _parquet(content, path)
    text, guess = decode(content, path, encoding)
    notes = [f"read as {guess}, since it is no UTF-8; {typed('data.encoding', 'gbk')} names another"] if guess else []
    told, text = _declared(text)
    cut = _separator(told or separator, text, path)
    header, rows = _rows(text, cut, path)
    divided = (f"cells are separated by {'tabs' if cut == TAB else repr(cut)}",) if cut != "," else ()
    names, kept, left = _names(header, rows, path)
    if left:
        notes.append(f"column {', '.join(map(str, left))} has no name and no cell, and is left out")
    return Cells(_table(names, kept, rows), divided, tuple(notes))


def _declared(text: str) -> tuple[str, str]:
    """The separator that Excel writes in a line above the header, if it does, and the rest."""
    first, _, rest = text.partition("\n")
    line = first.strip("\r ").lower()
    return (line[4], rest) if len(line) == 5 and line.startswith("sep=") else ("", text)


def _separator(asked: str, text: str, path: Path) -> str:
    if asked != "auto":
        cut = {"\\t": "\t", "tab": "\t"}.get(asked, asked)
        if len(cut) != 1 or cut in '\r\n"':
            raise DataError(f"data.separator={asked}: give one character, or auto")
        return cut
    widths = {cut: [len(row) for row in islice(_records(text, cut), LOOKED_AT)] for cut in SEPARATORS}
    even = {cut: found[0] for cut, found in widths.items() if found and found[0] > 1 and len(set(found)) == 1}
    if even:
        return max(even, key=lambda cut: even[cut])
    some = {cut: Counter(found)[found[0]] / len(found) for cut, found in widths.items() if found and found[0] > 1}
    if path.suffixes and ".tsv" in (suffix.lower() for suffix in path.suffixes) and "\t" in some:
        return "\t"
    return max(some, key=lambda cut: (some[cut], cut == ",")) if some else ","


def _records(text: str, cut: str) -> Iterator[list[str]]:
    """The rows that are not blank, for a look; where they cannot be divided, those before."""
    try:
        yield from (row for row in _reader(text, cut) if row)
    except csv.Error:
        return


def _reader(text: str, cut: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=cut, skipinitialspace=True)


def _rows(text: str, cut: str, path: Path) -> tuple[list[str], Rows]:
    """The header, and below it every row; blanks around cells do not count, nor do blank lines at either end."""
    try:
        rows = [[cell.strip() for cell in row] for row in _reader(text, cut)]
    except csv.Error as error:
        raise DataError(f"cannot read {path}: {error}: is a quote opened and never closed?") from error
    while rows and not any(rows[-1]) and len(rows[-1]) < 2:
        rows.pop()
    first = next((number for number, row in enumerate(rows) if any(row)), len(rows))
    header, rows = (rows[first], rows[first + 1 :]) if first < len(rows) else ([], [])
    if not header:
        raise DataError(f"cannot read {path}: it is empty: no columns")
    if not rows:
        raise DataError(f"{path} has no rows below its header")
    if rows[-1] and "\n" in rows[-1][-1] and text.count('"') % 2:
        raise DataError(f"cannot read {path}: a quote in row {len(rows)} is opened and never closed")
    return header, _squared(header, rows, cut, path)


def _squared(header: list[str], rows: Rows, cut: str, path: Path) -> Rows:
    """Every row as long as the header; a row that is not is refused, but for nameless columns without cells."""
    width = len(header)
    named = max((number + 1 for number, name in enumerate(header) if name), default=0)
    for number, row in enumerate(rows, start=1):
        if len(row) == width:
            continue
        if len(row) > width:
            if any(row[width:]):
                raise DataError(_too_long(header, rows, number, cut, path))
            del row[width:]
        elif not any(row) and (width > 1 or row):
            raise DataError(f"{path}: row {number} is a blank line: delete it, or fill it in")
        elif len(row) < named and width > 1:
            raise DataError(
                f"{path}: row {number} has {_cells(len(row))}, its header names {named} columns: complete it"
            )
        row.extend([""] * (width - len(row)))
    return rows


def _too_long(header: list[str], rows: Rows, number: int, cut: str, path: Path) -> str:
    if len(header) == 1 and (other := next((one for one in SEPARATORS if one != cut and one in header[0]), None)):
        return f"{path} has one column, {header[0][:40]!r}: try {typed('data.separator', escaped(other))}"
    if all(len(row) > len(header) for row in rows):
        return f"{path}: its rows have more cells than its first line has names: name every column"
    row = rows[number - 1]
    told = f"{path}: row {number} has {_cells(len(row))}, its header names {len(header)} columns"
    return f"{told}: quote what belongs together"


def _names(header: list[str], rows: Rows, path: Path) -> tuple[list[str], list[int], list[int]]:
    """The columns' names and places, and the places (from 1) of those left out, which have no name and no cell."""
    filled = [any(row[place] for row in rows) if not name else True for place, name in enumerate(header)]
    places = [place for place, full in enumerate(filled) if full]
    names = [header[place] or f"Unnamed: {place}" for place in places]
    _refuse_twins(names, [place + 1 for place in places], path)
    return names, places, [place + 1 for place, full in enumerate(filled) if not full]


def _refuse_twins(names: Sequence[str], places: Sequence[int], path: Path) -> None:
    twins = [name for name, count in Counter(names).items() if count > 1]
    if not twins:
        return
    found = list(zip(places, names, strict=True))
    told = [f"{twin!r} (columns {', '.join(str(place) for place, name in found if name == twin)})" for twin in twins]
    raise DataError(f"{path}: its header has a name more than once: {'; '.join(told)}: call each column by its own")


def _table(names: list[str], places: list[int], rows: Rows) -> "pd.DataFrame":
    import pandas as pd

    columns = {name: [row[place] for row in rows] for name, place in zip(names, places, strict=True)}
    return pd.DataFrame(columns, dtype=object)


def _parquet(content: bytes, path: Path) -> Cells:
    import pandas as pd
    from pyarrow import ArrowException  # type: ignore[import-untyped]

    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (ArrowException, ValueError, TypeError, OSError, KeyError, NotImplementedError) as error:
        raise DataError(f"cannot read {path}: {str(error).strip().splitlines()[0]}") from error
    table = table.reset_index(drop=True)
    names = [str(name).strip() for name in table.columns]
    _refuse_twins(names, range(1, len(names) + 1), path)
    table.columns = pd.Index(names, dtype=object)
    if not len(table) or not names:
        raise DataError(f"{path} has no rows")
    return Cells(table)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def escaped(cut: str) -> str:
    """A separator as it is typed."""
    return "\\t" if cut == "\t" else cut
