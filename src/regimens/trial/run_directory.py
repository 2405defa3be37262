"""Where a single run leaves its files: a directory of its own, in which nothing finished is ever overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.files import check_writable
from regimens.core.locks import Lock
from regimens.core.result import BROKEN, FILE_NAME, Result, read
from regimens.core.secrets import redact

LOCK = ".lock"
STUDY = "study.json"  # a study's directory has it
SHOWN = 4


@dataclass(frozen=True)
class Run:
    """What is to be trained, as far as it says whether another run is the same."""

    seed: int
    regimen: Mapping[str, Any]
    regimen_hash: str
    choices: Mapping[str, str]


@contextmanager
def claimed(wanted: Path, run: Run, runs: Path, *, named: bool) -> Iterator[Path]:
    """The directory of a run, which nobody else writes to meanwhile.

    It is `wanted`, if a person `named` it; else, where that is taken, the same name with a number.

    Raises:
        UserError: it cannot be written, it is a study's, another process writes there, or it holds another run.
    """
    check_place(wanted, runs)
    number = 1
    while True:
        directory = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        check_writable(directory)
        lock = _take(directory)
        if lock is not None and (named or not (directory / FILE_NAME).exists()):
            break
        if lock is not None:
            _leave(directory, lock)
        elif named:
            raise UserError(f"{directory}: another process trains there; wait for it, or take another name=")
        number += 1
    try:
        check_free(directory, run)
        yield directory
    finally:
        _leave(directory, lock)


def check_place(directory: Path, runs: Path) -> None:
    """Raise UserError for a directory that is no single run's: the folder of all runs, or a study's."""
    here, root = directory.resolve(), runs.resolve()
    if root.is_relative_to(here):
        raise UserError(f"{directory}: the folder of all runs, or one above it; name= is the name of one run inside it")
    for folder in (here, *here.parents):
        if (folder / STUDY).exists():
            raise UserError(f"{directory}: it belongs to the study in {folder}; take another name=")
        if folder == root:
            break


def check_free(directory: Path, run: Run) -> None:
    """Raise UserError where a directory holds the result of another run; the same one may be trained anew."""
    if not (directory / FILE_NAME).exists():
        return
    there = read(directory)
    if there.status in BROKEN or (there.seed, there.regimen_hash) == (run.seed, run.regimen_hash):
        return
    differing = differences(there, run)
    shown = [f"{key}={was}" for key, was, _ in differing[:SHOWN]]
    now = [f"{key}={new}" for key, _, new in differing[:SHOWN]]
    accuracy = there.metrics.get("test/accuracy") or there.metrics.get("val/accuracy")
    told = f", accuracy {accuracy:.4f}" if accuracy is not None else ""
    raise UserError(
        f"{directory} holds another run ({', '.join(shown)}{told}) than this one ({', '.join(now)}): "
        "take another name=, or delete that directory first"
    )


def differences(there: Result, run: Run) -> list[tuple[str, Any, Any]]:
    """In what an earlier run is another one: options first, then single values; (key, earlier, now)."""
    found = [
        (g, there.choices.get(g), run.choices.get(g))
        for g in there.choices
        if there.choices.get(g) != run.choices.get(g)
    ]
    chosen = {group for group, _, _ in found}
    before, now = dict(flat(there.regimen)), dict(flat(run.regimen))
    keys = [key for key in (before | now) if key.split(".")[0] not in chosen and before.get(key) != now.get(key)]
    found += [(key, redact(before.get(key)), redact(now.get(key))) for key in keys]
    return found + ([("seed", there.seed, run.seed)] if there.seed != run.seed else [])


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as pairs of a dotted path and a value."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _take(directory: Path) -> Lock | None:
    """The lock of a directory, None while another process has it; whoever ends takes the file away."""
    while True:
        lock = Lock(directory / LOCK)
        if not lock.acquire(wait=False):
            return None
        assert lock.descriptor is not None
        with suppress(FileNotFoundError):
            if os.fstat(lock.descriptor).st_ino == lock.path.stat().st_ino:
                return lock
        lock.release()  # its owner has just ended, and the file is another one, or gone


def _leave(directory: Path, lock: Lock) -> None:
    """Let go of a directory, and of the directory itself where nothing came of it."""
    (directory / LOCK).unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        directory.rmdir()
