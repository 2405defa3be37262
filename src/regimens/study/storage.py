"""Where Optuna keeps who is doing what: a journal file by default, or any database URL that Optuna takes."""

from __future__ import annotations

import fcntl
import os
import time
import warnings
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from regimens.errors import UserError
from regimens.secrets import redact

FIRST_USES = 5  # commands that create the tables of an empty database at the same moment; one succeeds, the others wait


class JournalLock:
    """A lock that its owner's death releases; Optuna's own would stall everybody for 30 s after a `kill -9`.

    Taking it also heals the journal: a last line without an end was torn off by a death or a full disk, its
    operation never happened, and appending to it would damage the next one.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._descriptor = -1

    def acquire(self) -> bool:
        """Wait for the lock, then heal the end of the journal."""
        self._descriptor = os.open(f"{self._journal}.lock", os.O_CREAT | os.O_RDWR, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        _drop_torn_line(self._journal)
        return True

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


def _drop_torn_line(journal: Path) -> None:
    with journal.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        start = max(0, size - (1 << 20))
        file.seek(start)
        file.truncate(start + file.read().rfind(b"\n") + 1)


def open_storage(url: str | None, directory: Path) -> BaseStorage:
    """The storage at `url`, or the journal in the study's directory.

    Raises:
        UserError: the journal is damaged, the URL is SQLite or cannot be opened.
    """
    if url is None:
        return _open_journal(directory / "journal.log")
    if url.startswith("sqlite"):
        raise UserError("study.storage: SQLite is not made for parallel workers; leave it null, or use postgresql://")
    for left in reversed(range(FIRST_USES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except Exception as error:
            if not left or "duplicate key" not in str(error):
                raise UserError(f"study.storage={redact(url)}: {redact(_first_line(error))}") from None
            time.sleep(1)
    raise AssertionError


def _open_journal(path: Path) -> BaseStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        backend = JournalFileBackend(str(path), lock_obj=JournalLock(path))
        storage = JournalStorage(backend)
        storage.get_all_studies()
        return storage
    except OSError:
        raise
    except Exception as error:
        raise UserError(
            f"{path}: the journal is damaged ({type(error).__name__}: {_first_line(error)}); run the same command with "
            "study.recover=true: it sets the journal aside and rebuilds it from the finished trials' result.json"
        ) from None


def set_aside(directory: Path) -> Path | None:
    """Move a damaged journal out of the way; returns where it went."""
    journal = directory / "journal.log"
    if not journal.exists():
        return None
    number = 1
    while (target := directory / f"journal.log.damaged-{number}").exists():
        number += 1
    journal.rename(target)
    return target


def forget(storage: BaseStorage, prefix: str) -> None:
    """Delete every Optuna study whose name begins so."""
    for study in storage.get_all_studies():
        if study.study_name.startswith(prefix):
            storage.delete_study(study._study_id)


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
