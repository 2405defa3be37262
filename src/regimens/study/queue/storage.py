"""Where Optuna keeps who is doing what: a journal file by default, or any database URL that Optuna takes."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from regimens.core.errors import UserError
from regimens.core.locks import Lock
from regimens.core.secrets import brief, redact

FIRST_USES = 5  # commands that create the tables of an empty database at the same moment; one succeeds, the others wait


class JournalLock:
    """A lock that its owner's death releases; Optuna's own would stall everybody for 30 s after a `kill -9`.

    Taking it also heals the journal: a last line without an end was torn off by a death or a full disk, its
    operation never happened, and appending to it would damage the next one.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = Lock(journal.with_name(f"{journal.name}.lock"))

    def acquire(self) -> bool:
        """Wait for the lock, then heal the end of the journal."""
        self._lock.acquire()
        _drop_torn_line(self._journal)
        return True

    def release(self) -> None:
        """Let the next one in."""
        self._lock.release()


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
    # One connection a worker; one that hangs on a machine that is gone is given up, not waited for.
    engine: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 1}
    if url.startswith("postgresql"):
        engine["connect_args"] = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 30_000}
    for left in reversed(range(FIRST_USES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return RDBStorage(url, engine_kwargs=engine)
        except Exception as error:
            if not left or "duplicate key" not in str(error):
                raise UserError(f"study.storage={redact(url)}: {brief(error)}") from error
            time.sleep(1)
    raise AssertionError


class StorageAway(Exception):  # noqa: N818
    """The storage has not answered for too long; the message is one line for the user."""


Answer = TypeVar("Answer")


def patiently(action: Callable[[], Answer], limit: float, tell: Callable[[str], None] = lambda line: None) -> Answer:
    """What `action` returns, tried again for `limit` seconds while the storage does not answer.

    `action` may have been half done: it is one that a killed worker may leave half done, too. `tell` hears, once, that
    the storage is away. Raises StorageAway.
    """
    end, pause = time.monotonic() + limit, 0.25
    while True:
        try:
            return action()
        except Exception as error:
            if not is_away(error):
                raise
            line = brief(_cause(error))
            if pause == 0.25:
                tell(f"study.storage does not answer; waiting up to {limit:g} s ({line})")
            if time.monotonic() + pause > end:
                raise StorageAway(f"study.storage has not answered for {limit:g} s ({line})") from error
            time.sleep(pause)
            pause = min(2 * pause, 10.0)


def is_away(error: BaseException) -> bool:
    """Whether `error`, or one that it came from, is a database that went away, is starting, or asks to try again."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OperationalError | InterfaceError):
            return True
        if isinstance(seen, DBAPIError) and seen.connection_invalidated:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


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
            f"{path}: the journal is damaged ({type(error).__name__}: {brief(error)}); run the same command with "
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
            storage.delete_study(storage.get_study_id_from_name(study.study_name))
