"""Download one gzip file from the first mirror that gives it whole: timeouts, retries, resume, check, atomic rename."""

import hashlib
import http.client
import os
import socket
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from regimens.core.errors import DataError
from regimens.core.files import CHUNK, writing

Progress = Callable[[int, int | None], None]
"""Called with (bytes here so far, bytes in all or None)."""


class _RefusalError(Exception):
    """This mirror will not give the file, however often it is asked."""


class _InterruptionError(Exception):
    """The transfer broke off; what came is kept and a further try may go on from there."""


def gunzip(path: Path) -> bytes:
    """The decompressed content of `path`. Raises DataError in words where it is not whole gzip."""
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        page = content[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head"))
        raise DataError("a web page (HTML) instead of gzip" if page else "not gzip")
    decoder = zlib.decompressobj(wbits=31)
    try:
        plain = decoder.decompress(content)
    except zlib.error as error:
        raise DataError(f"corrupt gzip ({error})") from error
    if not decoder.eof:
        raise DataError("truncated gzip")
    return plain


def fetch(
    urls: Sequence[str],
    target: Path,
    sha256: str,
    *,
    timeout: float = 20.0,
    tries: int = 4,
    pause: float = 1.0,
    progress: Progress | None = None,
) -> bytes:
    """Get the gzip file at the first of `urls` that works into `target`; returns its decompressed content.

    `sha256` is of the decompressed content. `timeout` is seconds without an answer, `pause` seconds before the second
    try, doubled each time. A part of a file stays beside `target` for the next call to go on from.
    Raises DataError with one line per mirror, or at once where the disk refuses.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in urls:
        part = target.with_name(f"{target.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
        reason = "no try"
        for attempt in range(tries):
            if attempt:
                time.sleep(pause * 2 ** (attempt - 1))
            try:
                resumed = _transfer(url, part, timeout, progress)
                plain = _checked(part, sha256, resumed)
            except _RefusalError as error:
                reason = str(error)
                break
            except _InterruptionError as error:
                reason = f"{error}, after {attempt + 1} tries"
                continue
            with writing(target):
                part.replace(target)
            return plain
        failures.append(f"{url}: {reason}")
    raise DataError("\n".join(failures))


def _checked(part: Path, sha256: str, resumed: bool) -> bytes:
    """The content of a complete transfer; a wrong one is removed, so that the next try starts afresh."""
    try:
        plain = gunzip(part)
    except DataError as error:
        part.unlink()
        if "web page" in str(error) or str(error) == "not gzip":
            raise _RefusalError(str(error)) from error
        raise _InterruptionError(str(error)) from error
    if hashlib.sha256(plain).hexdigest() != sha256:
        part.unlink()
        # two halves of different files make a whole that neither mirror published: worth another try
        raise (_InterruptionError if resumed else _RefusalError)("not the published file (SHA-256 differs)")
    return plain


def _transfer(url: str, part: Path, timeout: float, progress: Progress | None) -> bool:
    """Append to `part` what is missing of `url`; returns whether an earlier part was gone on from."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "regimens", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            resumed = have > 0 and answer.status == 206
            have = have if resumed else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            with writing(part), part.open("ab" if have else "wb") as file:
                while chunk := _read(answer):
                    file.write(chunk)
                    have += len(chunk)
                    if progress:
                        progress(have, total)
                file.flush()
                os.fsync(file.fileno())
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the part is as long as the file, or longer: the check tells, or it starts afresh
            return True
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _InterruptionError(f"HTTP {error.code}") from error
        raise _RefusalError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise _RefusalError(f"host not found ({error.reason.strerror})") from error
        raise _InterruptionError(str(error.reason)) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _InterruptionError(str(error) or type(error).__name__) from error
    if total is not None and have < total:
        raise _InterruptionError(f"connection dropped at {have} of {total} bytes")
    return resumed


def _read(answer: http.client.HTTPResponse) -> bytes:
    """A chunk of the answer; a network failure is told apart from a disk failure."""
    try:
        return answer.read(CHUNK // 4)
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptionError(str(error) or type(error).__name__) from error
