"""Where a SQLite database says that artifacts lie: absolute addresses, set right when it has been moved or copied.

MLflow writes an absolute URI into each experiment, run and model. A project that is renamed takes its database and its
artifacts along; the addresses would still name the old place, and MLflow would make its directories again.
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
    """An address that names a place where the database is not."""

    table: str
    column: str
    address: str
    #: the folder of artifacts there, and where the address would be here
    there: Path
    here: Path

    @property
    def possible(self) -> bool:
        """Whether the files are here, or nowhere: those that are only there must still be found."""
        return self.table == "experiments" or self.here.exists() or not _local(self.address).exists()


def heal(database: Path, artifacts: str) -> str:
    """Have addresses in a folder `artifacts` elsewhere name the one beside the database, in one transaction.

    Returns a sentence for people if files still lie elsewhere, when that is found out. An absolute `artifacts` moves
    with nothing. Raises sqlite3.Error.
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
