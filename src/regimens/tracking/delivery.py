"""Deliver results to a tracker that may be unreachable: exactly once each, now or later, by any process."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.result import FILE_NAME, SET_ASIDE, read
from regimens.tracking.endings import ended, read_ending
from regimens.tracking.marks import MARK, run_ids

if TYPE_CHECKING:
    from regimens.tracking.interface import Tracking

# Tells whether a command is running on the study in this directory.
Busy = Callable[[Path], bool]

BACKLOG = ".undelivered"  # a file in the folder of runs: some results there are not yet delivered
LEAST_PAUSE = 10.0  # seconds
SHARE = 20  # an unreachable server costs a worker at most 1 / SHARE of its time


@dataclass
class Outage:
    """When to try a server again that did not answer; one per server and process."""

    #: whether an error is the server's, rather than about one result
    is_away: Callable[[Exception], bool]
    until: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it is too early to try again."""
        return time.monotonic() < self.until

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record whether the block fails, and how long that takes."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            if self.is_away(error):
                now = time.monotonic()
                self.until = now + max(LEAST_PAUSE, SHARE * (now - began))
            raise
        self.until = 0.0


def owed(room: "Tracking", runs: Path) -> Iterator[Path]:
    """The directory of every finished result below `runs` that has not been delivered to this tracker."""
    for folder, names, files in os.walk(runs):
        names[:] = sorted(name for name in names if SET_ASIDE not in name)
        if FILE_NAME in files and room.owes(Path(folder)):
            yield Path(folder)


@dataclass
class _Studies:
    """The studies' entries in a tracker; once it was unreachable, no further study tries it."""

    room: "Tracking"
    entries: dict[str, str | None] = field(default_factory=dict)

    def open(self, about: dict[str, Any]) -> str | None:
        if about["id"] not in self.entries:
            away = None in self.entries.values()
            self.entries[about["id"]] = None if away else self.room.open(about, live=False)
        return self.entries[about["id"]]


def sync(room: "Tracking", runs: Path, busy: Busy) -> tuple[int, int]:
    """Deliver every finished result below `runs` that has not been; how many were, and how many could not be.

    A trial of a study goes below its study's entry, which is made where it is missing, and which says how the study
    ended. A study whose directory is `busy` delivers its own.
    """
    studies, complete = _Studies(room), True
    done = left = 0
    for directory in owed(room, runs):
        try:
            result = read(directory)
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)
            continue
        if result.study and busy(directory.parent.parent):
            left += 1
            continue
        parent = studies.open({**result.study, **_about(directory.parent.parent)}) if result.study else None
        room.log(result, directory, parent)
        owes = room.owes(directory)
        done, left = done + (not owes), left + owes
    for directory in ended(runs):
        ending = read_ending(directory)
        if ending and not busy(directory):
            entry = studies.open(ending.about)
            complete &= room.close(entry, "FINISHED", ending.files, ending.best, ending.answer)
    if left or not complete:
        leave(runs)
    else:
        (runs / BACKLOG).unlink(missing_ok=True)
    return done, left


def _about(directory: Path) -> dict[str, Any]:
    """What a study's directory says of it: how it ended, or at least its question."""
    if ending := read_ending(directory):
        return ending.about
    try:
        return {"question": json.loads((directory / "study.json").read_text())["question"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"question": None}


def settle(room: "Tracking", runs: Path, busy: Busy, say: Callable[[str], None]) -> None:
    """After a run: deliver results of earlier runs, or report what could not be delivered."""
    if not (runs / BACKLOG).exists() or not room.usable:
        return
    done, left = sync(room, runs, busy)
    if done:
        say(f"tracking: {done} results of earlier runs delivered")
    if left:
        say(f"warning: {left} results are on disk only; python src/train.py sync delivers them to tracking")


def leave(runs: Path) -> None:
    """Record that something below `runs` could not be delivered."""
    runs.mkdir(parents=True, exist_ok=True)
    (runs / BACKLOG).touch()


def find_run(run: str, runs: Path) -> Path:
    """The directory of a run: `run` itself, or the one under `runs` that was tracked under this MLflow run id.

    Raises UserError where there is none.
    """
    if Path(run).is_dir():
        return Path(run)
    for mark in sorted(runs.rglob(MARK)):
        if run in run_ids(mark.parent):
            return mark.parent
    raise UserError(f"{run}: no such directory, and no run under {runs} has this MLflow run id")
