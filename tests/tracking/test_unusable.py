"""A tracker that cannot be used costs one warning within seconds, and no result."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from regimens.core.result import Result
from regimens.tracking import delivery
from regimens.tracking.mlflow import Mlflow
from regimens.tracking.sqlite_file import Unusable, check

from ..conftest import CONF, SMALL

RESULT = Result("completed", "one", 1, {}, "0" * 64, provenance={"started": "2026-01-01T00:00:00+00:00"})


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (name TEXT)")


def half_made(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")


SPOILT: dict[str, Callable[[Path], object]] = {
    "is a directory": lambda path: path.mkdir(),
    "is empty": lambda path: path.touch(),
    "is text": lambda path: path.write_text("hello " * 1000),
    "is another program's": foreign,
    "was left half made": half_made,
    "is below a file": lambda path: path.parent.rmdir() or path.parent.write_text(""),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_cannot_be_used_is_told_once(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "folder" / "mlflow.db"
    path.parent.mkdir()
    SPOILT[what](path)
    before = path.read_bytes() if path.is_file() else b""
    mlflow = Mlflow(f"sqlite:///{path}", "regimens", "mlartifacts")
    began = time.monotonic()
    assert mlflow.open({"id": "abc", "name": "s", "question": "?"}) is None
    for number in range(3):
        assert mlflow.log(RESULT, tmp_path / "runs" / f"trial-{number}") is None
    assert not mlflow.close(None, "FINISHED")
    delivery.leave(tmp_path / "runs")
    delivery.settle(mlflow, tmp_path / "runs", lambda study: False, print)
    said = capsys.readouterr()
    (line,) = (said.out + said.err).splitlines()
    assert line.startswith("warning: no tracking: ") and str(path) in line and "safe on disk" in line
    assert time.monotonic() - began < 60
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("version", ["0123456789ab", "451aebb31d03"])
def test_a_database_of_another_mlflow_is_told_once(
    tracker: Callable[..., Mlflow], tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    """Of a later version, which nobody here knows, and of an earlier one."""
    mlflow = tracker()
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])
    for number in range(3):
        assert mlflow.log(RESULT, tmp_path / f"trial-{number}") is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "schema" in line and version in line


def test_a_place_that_is_no_tracker_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for uri in ("nonsense://somewhere", f"file://{tmp_path}/mlruns"):
        mlflow = Mlflow(uri, "regimens", "mlartifacts")
        for number in range(3):
            assert mlflow.log(RESULT, tmp_path / f"trial-{number}") is None
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("warning: no tracking: ")


def test_a_database_that_somebody_writes_into_is_waited_for(tracker: Callable[..., Mlflow], tmp_path: Path) -> None:
    tracker()
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        check(tmp_path / "mlflow.db")


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "setuid"), reason="needs another user")
def test_a_directory_of_somebody_elses_is_told(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o555)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                for folder in (tmp_path, *tmp_path.parents):
                    if not folder.stat().st_mode & 0o001 and folder.owner() == "root":
                        folder.chmod(folder.stat().st_mode | 0o011)
                os.setuid(65534)
            with pytest.raises(Unusable, match="cannot be made"):
                check(tmp_path / "theirs" / "mlflow.db")
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize("home", [None, "/nowhere"])
@pytest.mark.thorough
def test_the_command_ends_well_without_a_tracker_and_without_a_home(
    tracker: Callable[..., Mlflow], tmp_path: Path, home: str | None
) -> None:
    """Public reports: mlflow/mlflow#19193, #10450, #1103."""
    tracker()
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "MLFLOW_TRACKING_URI")}
    environment |= {"HOME": home} if home else {}
    small = [word for word in SMALL if not word.startswith("tracking=")]
    place = "/proc/mlflow.db" if home is None else str(tmp_path / "mlflow.db")
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), *small, f"tracking.uri=sqlite:///{place}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "test" / "result.json").is_file()
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    if home is None:
        assert len(warnings) == 1 and "/proc/mlflow.db" in warnings[0]
        assert "SQLAlchemy" not in done.stderr + done.stdout
    else:
        assert warnings == []
