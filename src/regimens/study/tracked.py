"""A study in its tracker: its entry there, and what workers could not deliver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from regimens.result import Result
from regimens.secrets import keep, redact
from regimens.study.claim import read_finished
from regimens.study.definition import Study
from regimens.study.ending import Ending
from regimens.study.locks import busy, held
from regimens.tracker import NoTracking, Tracking

if TYPE_CHECKING:
    from regimens.study.ledger import Ledger


@dataclass
class Tracked:
    """The entry of one study in its tracker.

    A server hears of a trial from the worker that trained it. A database in a file has one writer, the study's command,
    wherever the workers are: it opens the file while they load their libraries, and they need not load its.
    """

    room: Tracking
    #: what `room` was built from, as plain values; None for nothing
    node: dict[str, Any] | None
    about: dict[str, Any]
    #: of the study
    directory: Path
    session: str
    #: the entry's id; None while the tracker is away
    parent: str | None = None
    #: what the entry gets at its end
    ending: Ending = field(default_factory=Ending)
    _opened: bool = False

    def open(self) -> None:
        """Find or make the entry, and mend what the dead left; one command at a time, so that there is one entry."""
        self._opened = True
        with held(self.directory / "locks" / "tracking.lock"):
            self.parent = self.room.open(self.about)
            if not busy(self.directory, self.session):
                self.room.mend(self.parent)

    @property
    def for_workers(self) -> dict[str, Any] | None:
        """The tracker that workers build for themselves: none where they are not to write there."""
        return None if self.room.local else redact(self.node)

    def show(self, result: Result, place: Path) -> None:
        """Show what this process has trained itself; `hear` shows it where there is one writer."""
        if not self.room.local:
            self.room.log(result, place, self.parent)

    def open_once(self) -> None:
        """`open`, unless that has been tried."""
        if not self._opened:
            self.open()

    def hear(self, event: dict[str, Any], ledger: Ledger) -> None:
        """Show what has finished, unless its worker does."""
        if not self.room.local:
            return
        self.open_once()
        if event["event"] == "finished":
            place = ledger.place(ledger.study.cell(event["cell"]), event["phase"], event["number"])
            if (result := read_finished(place)) is not None:
                self.room.log(result, place, self.parent)

    def deliver(self, results: Iterable[tuple[Result, Path]]) -> None:
        """Deliver what workers could not; a tracker that was away may be back."""
        from regimens import delivery

        left = [(result, place) for result, place in results if self.room.owes(place)]
        if left:
            self.open()
        for result, place in left:
            self.room.log(result, place, self.parent)
        if any(self.room.owes(place) for _, place in left):
            delivery.leave(self.directory.parent)


def room_of(node: dict[str, Any] | None) -> Tracking:
    """The tracker that a plain configuration names, if any."""
    from regimens.build import build

    return NoTracking() if node is None else build(node)


@contextmanager
def tracked(config: DictConfig, study: Study, directory: Path, session: str) -> Iterator[Tracked]:
    """The study's entry: a server's is opened before any worker starts; closed with how the study ended."""
    from regimens import delivery

    wanted = config.get("tracking")
    node: Any = None if wanted is None else OmegaConf.to_container(wanted, resolve=True)
    keep(node)
    room = room_of(node)
    about = {"name": study.name, "id": study.id, "question": study.question}
    shown = Tracked(room, node, about, directory, session)
    if not room.local:
        shown.open()
    try:
        yield shown
    except BaseException:
        room.close(shown.parent, "KILLED")
        if any(room.owes(place) for place in delivery.owed(directory)):
            delivery.leave(directory.parent)
        raise
    shown.ending.link = room.link(shown.parent)
    room.close(shown.parent, "FINISHED", shown.ending.files, shown.ending.best)
    delivery.settle(room, directory.parent, busy, print)
