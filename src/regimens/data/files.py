"""Files: write whole or not at all, hash, and turn the disk's refusals into one clear line."""

import errno
import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regimens.errors import DataError

CHUNK = 1 << 20


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError met while writing `path` into a DataError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"no space left on the disk while writing {path}: free some space, or put it on another disk"
        else:
            message = f"cannot write {path}: {error.strerror or error}: make the folder writable, or name another one"
        raise DataError(message) from error


def write(path: Path, content: bytes) -> None:
    """Write `content` to `path` and onto the disk (fsync)."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """SHA-256 of the file, remembered while its size and time of change stay the same.

    Raises DataError where it cannot be read.
    """
    try:
        stat = path.stat()
        return _sha256(str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


@functools.lru_cache(maxsize=64)
def _sha256(path: str, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
