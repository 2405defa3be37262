"""Sessions: a command that supervises workers holds its session's lock while it lives."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regimens.core.locks import Lock, is_held


@contextmanager
def open_session(directory: Path) -> Iterator[str]:
    """A name for the life of a process that supervises workers; its lock tells others that it lives."""
    name = uuid.uuid4().hex[:12]
    lock = Lock(session_path(directory, name))
    lock.acquire()
    try:
        yield name
    finally:
        lock.path.unlink(missing_ok=True)
        lock.release()


def busy(directory: Path, besides: str = "") -> bool:
    """Whether a session, other than `besides`, works on the study in `directory`."""
    own = session_path(directory, besides)
    return any(is_held(lock) for lock in (directory / "locks").glob("session-*.lock") if lock != own)


def session_path(directory: Path, name: str) -> Path:
    """The lock of a session: held while it lives, gone once it ended in order."""
    return directory / "locks" / f"session-{name}.lock"
