"""Files: written atomically, hashed, and write errors turned into one-line messages."""

import errno
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regimens.core.errors import DataError, UserError
from regimens.core.secrets import redact

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


def check_writable(folder: Path) -> None:
    """Make `folder`; raise UserError where it cannot be written; called before training starts."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UserError(unwritable(folder, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """What to do where a path of the project cannot be written."""
    return (
        f"{path} cannot be written ({error.strerror or error}): name a folder that can be, with "
        "REGIMENS_ROOT=/some/folder before the command or paths.root=/some/folder in it"
    )


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
    except (OSError, ValueError) as error:  # a ValueError: a name with a zero byte
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


@functools.lru_cache(maxsize=64)
def _sha256(path: str, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_json(value: Any, path: Path) -> Path:
    """Write JSON through a temporary file in the same directory, flushed to the disk, then renamed; no passwords."""
    return write_text(json.dumps(redact(value), indent=1, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> Path:
    """Replace a text file as `write_bytes` does, passwords in URLs hidden."""
    return write_bytes(redact(text).encode(), path)


def write_bytes(content: bytes, path: Path) -> Path:
    """Replace a file atomically; its mode follows the user's umask. Raises OSError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def is_disk_full(error: BaseException) -> bool:
    """Whether `error`, or one of its causes, means that the disk is full (or a file-size limit was reached)."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if "disk is full" in str(seen) or "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
