"""Operating-system file locks: the system releases them when the owning process ends, `kill -9` included."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Lock:
    """An exclusive lock on one file. Linux carries `flock` over NFS too, so it also works between machines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock; without `wait`, return False if another process holds it."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o666)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int | None:
        """The open file that holds the lock, None where it is not held; a process that inherits it holds it too."""
        return self._descriptor

    def release(self) -> None:
        """Release the lock; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold the lock on `path` for the length of a `with` block, which is given the open file's descriptor."""
    lock = Lock(path)
    lock.acquire()
    try:
        assert lock.descriptor is not None
        yield lock.descriptor
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on `path`."""
    if not path.exists():
        return False
    lock = Lock(path)
    if lock.acquire(wait=False):
        lock.release()
        return False
    return True
