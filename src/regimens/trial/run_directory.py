"""The directory of a single run: each has its own, and a finished result is never overwritten."""

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
from regimens.core.result import BROKEN, FILE_NAME, Result, aside, flatten, read
from regimens.core.secrets import redact
from regimens.core.terminal import note

LOCK = ".lock"
STUDY = "study.json"  # every study's directory has it
SHOWN = 4


@dataclass(frozen=True)
class Run:
    """What is to be trained, as needed to tell whether an earlier run is the same."""

    seed: int
    regimen: Mapping[str, Any]
    regimen_hash: str
    choices: Mapping[str, str]
    #: what this trial may be called, by the engine that is chosen later (`trial.identity`); empty: anything
    names: frozenset[str] = frozenset()
    #: the code that is to train it; empty: any
    code: str = ""


@contextmanager
def claimed(wanted: Path, run: Run, runs: Path, *, named: bool) -> Iterator[Path]:
    """Lock a directory for a run.

    It is `wanted` if the command `named` it; else, where that is taken, the same name with a number.

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
        set_aside(directory, run)
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
    """Raise UserError where a directory holds the result of a different run; the same run may be trained anew."""
    if not (directory / FILE_NAME).exists():
        return
    there = read(directory)
    if there.status in BROKEN:
        return
    named = ("test/accuracy", "val/accuracy", "test/rmse", "val/rmse")
    known = next(((name.partition("/")[2], value) for name in named if (value := there.metrics.get(name))), None)
    told = f", {known[0]} {known[1]:.4f}" if known else ""
    free = "take another name=, or delete that directory first"
    if (there.seed, there.regimen_hash) != (run.seed, run.regimen_hash):
        differing = differences(there, run)
        shown = [f"{key}={was}" for key, was, _ in differing[:SHOWN]]
        now = [f"{key}={new}" for key, _, new in differing[:SHOWN]]
        raise UserError(
            f"{directory} holds another run ({', '.join(shown)}{told}) than this one ({', '.join(now)}): {free}"
        )
    name = (there.trial or {}).get("content")
    if name and run.names and name not in run.names:
        raise UserError(
            f"{directory} holds this regimen with this seed{told}, but its data, starting weights, code of your own "
            f"or what it measures (test, probe) were others: {free}"
        )


def set_aside(directory: Path, run: Run) -> None:
    """Move a finished run of this name by other code into a directory beside it, and say so."""
    if not (directory / FILE_NAME).exists():
        return
    there = read(directory)
    code = (there.trial or {}).get("code")
    if there.status in BROKEN or not run.code or not code or code == run.code:
        return
    target = aside(directory)
    target.mkdir()
    for path in [one for one in directory.iterdir() if one.name not in (LOCK, FILE_NAME)]:
        path.rename(target / path.name)
    (directory / FILE_NAME).rename(target / FILE_NAME)  # the last: until then the directory counts as that run's
    revision = str((there.provenance.get("code") or {}).get("revision") or "unknown")[:9]
    note(f"{directory} held this run by other code (revision {revision}): that is now {target}")


def differences(there: Result, run: Run) -> list[tuple[str, Any, Any]]:
    """How an earlier run differs: options first, then single values, as (key, earlier, now)."""
    found = [
        (g, there.choices.get(g), run.choices.get(g))
        for g in there.choices
        if there.choices.get(g) != run.choices.get(g)
    ]
    chosen = {group for group, _, _ in found}
    before, now = flatten(there.regimen), flatten(run.regimen)
    keys = [key for key in (before | now) if key.split(".")[0] not in chosen and before.get(key) != now.get(key)]
    found += [(key, redact(before.get(key)), redact(now.get(key))) for key in keys]
    return found + ([("seed", there.seed, run.seed)] if there.seed != run.seed else [])


def _take(directory: Path) -> Lock | None:
    """Lock a directory; None while another process holds the lock. The owner deletes the lock file when it ends."""
    while True:
        lock = Lock(directory / LOCK)
        if not lock.acquire(wait=False):
            return None
        assert lock.descriptor is not None
        with suppress(FileNotFoundError):
            if os.fstat(lock.descriptor).st_ino == lock.path.stat().st_ino:
                return lock
        lock.release()  # the owner has just deleted the file that was locked


def _leave(directory: Path, lock: Lock) -> None:
    """Release a directory, and delete it if it is empty."""
    (directory / LOCK).unlink(missing_ok=True)
    lock.release()
    with suppress(OSError):
        directory.rmdir()
