"""Artifact URIs in a SQLite database: corrected when the database has been moved or copied.

MLflow writes an absolute artifact URI into each experiment, run and model. After a project directory is renamed, these
would still name the old directory, and MLflow would create it again.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from regimens.tracking.sqlite_file import opened

#: the columns that hold addresses; new artifacts go where their experiment says
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True)
class Move:
    """A URI of a directory other than that of the database."""

    table: str
    column: str
    address: str
    #: the artifact folder of the URI, and the path that corresponds to it beside the database
    there: Path
    here: Path

    @property
    def possible(self) -> bool:
        """Whether the files are beside the database, or nowhere; if only at the old path, the URI must not change."""
        return self.table == "experiments" or self.here.exists() or not _local(self.address).exists()


def heal(database: Path, artifacts: str) -> str:
    """Change URIs in another folder `artifacts` to the one beside the database, in one transaction.

    Returns a warning if files still lie elsewhere. An absolute `artifacts` is never changed. Raises sqlite3.Error.
    """
    if Path(artifacts).is_absolute():
        return ""
    home = (database.parent / artifacts).absolute()
    with opened(database, timeout=20) as connection:
        moves = [move for columns in COLUMNS for move in _moves(connection, *columns, home, artifacts)]
        possible = [move for move in moves if move.possible]
        if possible:
            connection.execute("BEGIN IMMEDIATE")
            for move in possible:
                query = f"UPDATE {move.table} SET {move.column} = ? WHERE {move.column} = ?"
                connection.execute(query, [move.here.as_uri(), move.address])
            connection.execute("COMMIT")
    left = [move for move in moves if not move.possible]
    if left and any(move.table == "experiments" for move in moves):
        places = ", ".join(sorted({str(move.there) for move in left}))
        return f"the artifacts of {len(left)} earlier runs and models still lie in {places}; move them to {home}"
    return ""


def _moves(connection: sqlite3.Connection, table: str, column: str, home: Path, artifacts: str) -> Iterator[Move]:
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} LIKE 'file:%' AND substr({column}, 1, ?) != ?"
    own = home.as_uri()
    for (address,) in connection.execute(query, [len(own), own]).fetchall():
        head, found, rest = f"{_local(address)}/".rpartition(f"/{artifacts}/")
        there = Path(f"{head}/{artifacts}")
        if found and not _same(there, home):
            yield Move(table, column, address, there, home / rest)


def _local(address: str) -> Path:
    return Path(unquote(urlparse(address).path))


def _same(one: Path, other: Path) -> bool:
    """Whether two paths, of which one may go over a link, name one folder."""
    return one.exists() and other.exists() and one.samefile(other)
