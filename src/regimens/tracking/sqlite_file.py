"""MLflow's SQLite database file: its path, whether it can be used, and how it is created."""

import os
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from mlflow import MlflowClient

PREFIX = "sqlite:///"
TABLES = {"alembic_version", "experiments", "runs"}


class Unusable(Exception):  # noqa: N818
    """A tracker that cannot be used, now or in a minute; the message is one line that says why."""


def absolute(uri: str) -> str:
    """A SQLite URI with an absolute path, resolved against the current working directory."""
    if not uri.startswith(PREFIX) or uri == PREFIX:
        return uri
    return PREFIX + str(Path(uri.removeprefix(PREFIX)).absolute())


def path_of(uri: str) -> Path | None:
    """The file of a SQLite URI; None for a database in memory, and for another kind of URI."""
    path = uri.removeprefix(PREFIX).partition("?")[0]
    return Path(path) if uri.startswith(PREFIX) and path else None


def beside(uri: str, artifacts: str) -> str:
    """The artifacts' URI: a relative path is relative to the SQLite file's directory, so that both move together."""
    return (Path(uri.removeprefix(PREFIX)).parent / artifacts).absolute().as_uri()


@contextmanager
def opened(path: Path, timeout: float = 5.0) -> Iterator[sqlite3.Connection]:
    """Open the file for reading and, where possible, for writing; it is not created. Raises sqlite3.Error."""
    place = f"file:{quote(str(path))}?mode=rw"
    with closing(sqlite3.connect(place, uri=True, timeout=timeout, isolation_level=None)) as connection:
        yield connection


def birth(path: Path, experiment: str, run_id: str | None = None) -> str | None:
    """The creation time of the database, which identifies it even after its file was moved.

    None where there is no such database, or where it does not hold the run `run_id` that it is expected to hold (it
    was brought back from before). MLflow makes experiment 0 with the database; where that was purged, `experiment` is
    asked.
    """
    if not path.exists():
        return None
    try:
        with opened(path) as connection:
            if run_id and not connection.execute("SELECT 1 FROM runs WHERE run_uuid = ?", [run_id]).fetchone():
                return None
            query = "SELECT creation_time FROM experiments WHERE experiment_id = 0 OR name = ? ORDER BY experiment_id"
            row = connection.execute(query, [experiment]).fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row and row[0] else None


def check(path: Path) -> None:
    """Raise Unusable where MLflow could neither use nor create the file; MLflow itself would retry for minutes."""
    try:
        there = path.exists()
        if not there:
            path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):  # SQLite's journal lies beside it
            pass
    except OSError as error:
        raise Unusable(f"{path} cannot be {'written' if there else 'made'} ({error.strerror or error})") from None
    if there:
        _check_file(path)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise Unusable(f"{path} is not a file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise Unusable(f"{path} cannot be written (no permission)")
    if path.stat().st_size == 0:
        raise Unusable(f"{path} is empty; delete it")
    try:
        with opened(path, timeout=1.0) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables >= TABLES:
                raise Unusable(f"{path} is not a database of MLflow's, or was left half made; name or make another one")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if "locked" not in str(error):  # another process is writing
            raise Unusable(f"{path} cannot be used ({error})") from None


def let_go(client: "MlflowClient") -> None:
    """Close the connections of MLflow's client: an open one goes on writing into a file that was deleted."""
    client._tracking_client.store.engine.dispose()


def make(uri: str) -> None:
    """Create the file with all its tables atomically, unless it exists.

    MLflow creates one table after the other: a file where that was interrupted, or done by two processes at once, can
    never be opened again.
    """
    path = path_of(uri)
    if path is None or path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        client = MlflowClient(tracking_uri=f"{PREFIX}{draft}", registry_uri=f"{PREFIX}{draft}")
        client.search_experiments(max_results=1)
        let_go(client)
        os.link(draft, path)
    except FileExistsError:  # another process was faster
        pass
    finally:
        draft.unlink(missing_ok=True)
