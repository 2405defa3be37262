"""Delivering results to a tracker that may be away: exactly once each, now or later, by whoever comes first."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.locks import held
from regimens.core.result import FILE_NAME, SET_ASIDE, read

if TYPE_CHECKING:
    from regimens.tracking.interface import Tracking

# Whether a command works on the study in this directory.
Busy = Callable[[Path], bool]

MARK = "tracking.json"
BACKLOG = ".undelivered"  # in the folder of runs: something there has yet to be delivered
LEAST_PAUSE = 10.0  # seconds
SHARE = 20  # a server that is away costs a worker at most one part in so many of its time


class Mark:
    """What has become of one result's delivery; whoever holds it, alone delivers."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> dict[str, Any]:
        """Empty: never begun; with `run_id`: done; anything else: begun, and perhaps half done."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        text = os.read(self._descriptor, 1 << 16)
        try:
            return dict(json.loads(text)) if text else {}
        except ValueError:
            return {"begun": True}

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        text = (json.dumps(state) + "\n").encode() if state else b""
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))  # last, since an empty mark says that nothing has begun


@contextmanager
def marked(directory: Path) -> Iterator[Mark]:
    """The mark of the result in `directory`, held until the end of the `with` block or of the process."""
    with held(directory / MARK) as descriptor:
        yield Mark(descriptor)


def delivered(directory: Path) -> str | None:
    """The id under which the result in `directory` has been delivered, if it has."""
    try:
        return json.loads((directory / MARK).read_text()).get("run_id")
    except (OSError, ValueError):
        return None


@dataclass
class Outage:
    """When to ask a server again that did not answer; one for each server and process."""

    #: whether an error is the server's, rather than about one result
    is_away: Callable[[Exception], bool]
    until: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it is too early to ask again."""
        return time.monotonic() < self.until

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note whether what happens inside fails, and how much time that takes."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            if self.is_away(error):
                now = time.monotonic()
                self.until = now + max(LEAST_PAUSE, SHARE * (now - began))
            raise
        self.until = 0.0


def owed(runs: Path) -> Iterator[Path]:
    """The directory of every finished result below `runs` that has not been delivered."""
    for folder, names, files in os.walk(runs):
        names[:] = sorted(name for name in names if SET_ASIDE not in name)
        if FILE_NAME in files and delivered(Path(folder)) is None:
            yield Path(folder)


def sync(room: "Tracking", runs: Path, busy: Busy) -> tuple[int, int]:
    """Deliver every finished result below `runs` that has not been; how many were, and how many could not be.

    A trial of a study goes below its study's entry, which is made where it is missing. A study whose directory is
    `busy` delivers its own. Once the tracker has been away, no other study asks for it.
    """
    parents: dict[str, str | None] = {}
    done = left = 0
    for directory in owed(runs):
        result = read(directory)
        study = result.study
        if study and busy(directory.parent.parent):
            left += 1
            continue
        if study and study["id"] not in parents:
            about = {**study, "question": _question(directory)}
            parents[study["id"]] = None if None in parents.values() else room.open(about, live=False)
        room.log(result, directory, parents[study["id"]] if study else None)
        owes = room.owes(directory)
        done, left = done + (not owes), left + owes
    if left:
        leave(runs)
    else:
        (runs / BACKLOG).unlink(missing_ok=True)
    return done, left


def _question(directory: Path) -> str | None:
    """What the study asks that the trial in `directory` belongs to."""
    try:
        return json.loads((directory.parent.parent / "study.json").read_text())["question"]
    except (OSError, ValueError, KeyError):
        return None


def settle(room: "Tracking", runs: Path, busy: Busy, say: Callable[[str], None]) -> None:
    """After a run: deliver what earlier ones had to leave, or say what this one has to leave."""
    if not (runs / BACKLOG).exists():
        return
    done, left = sync(room, runs, busy)
    if done:
        say(f"tracking: {done} results of earlier runs delivered")
    if left:
        say(f"warning: {left} results are on disk only; python src/train.py sync delivers them to tracking")


def leave(runs: Path) -> None:
    """Note that something below `runs` could not be delivered."""
    runs.mkdir(parents=True, exist_ok=True)
    (runs / BACKLOG).touch()


def find_run(run: str, runs: Path) -> Path:
    """The directory of a run: `run` itself, or the one under `runs` that was tracked under this MLflow run id.

    Raises UserError where there is none.
    """
    if Path(run).is_dir():
        return Path(run)
    for mark in sorted(runs.rglob(MARK)):
        if delivered(mark.parent) == run:
            return mark.parent
    raise UserError(f"{run}: no such directory, and no run under {runs} has this MLflow run id")
