"""A study in its tracker: its entry there, and what workers could not deliver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.invocation import command
from regimens.core.locks import held
from regimens.core.result import Result
from regimens.core.secrets import keep, redact
from regimens.study.definition.study import Study
from regimens.study.queue.sessions import busy
from regimens.study.queue.trial_files import read_finished
from regimens.tracking.interface import Tracking

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue


@dataclass
class Tracked:
    """The entry of one study in its tracker.

    A server hears of a trial from the worker that trained it. A database in a file has one writer, the study's command,
    wherever the workers are: it opens the file when it hears of them, and they need not load its libraries.
    """

    tracker: Tracking
    #: what `tracker` was built from, as plain values; None for nothing
    node: dict[str, Any] | None
    about: dict[str, Any]
    #: of the study
    directory: Path
    session: str
    #: the entry's id; None while the tracker is away
    parent: str | None = None
    _opened: bool = False
    _finished: bool = False

    def open(self) -> None:
        """Find or make the entry, and mend what the dead left; one command at a time, so that there is one entry."""
        self._opened = True
        with held(self.directory / "locks" / "tracking.lock"):
            self.parent = self.tracker.open(self.about)
            if not busy(self.directory, self.session):
                self.tracker.mend(self.parent)

    @property
    def for_workers(self) -> dict[str, Any] | None:
        """The tracker that workers build for themselves: none where they are not to write there."""
        return None if self.tracker.local else redact(self.node)

    def show(self, result: Result, place: Path) -> None:
        """Show what this process has trained itself; `hear` shows it where there is one writer."""
        if not self.tracker.local:
            self.tracker.log(result, place, self.parent)

    def open_once(self) -> None:
        """`open`, unless that has been tried."""
        if not self._opened:
            self.open()

    def hear(self, event: dict[str, Any], queue: TrialQueue) -> None:
        """Show what has finished, unless its worker does."""
        if not self.tracker.local:
            return
        self.open_once()
        if event["event"] == "finished":
            place = queue.files.place(queue.study.cell(event["cell"]), event["phase"], event["number"])
            if (result := read_finished(place)) is not None:
                self.tracker.log(result, place, self.parent)

    def deliver(self, results: Iterable[tuple[Result, Path]]) -> None:
        """Deliver what workers could not; a tracker that was away may be back."""
        from regimens.tracking import delivery

        left = [(result, place) for result, place in results if self.tracker.owes(place)]
        if left:
            self.open()
        for result, place in left:
            self.tracker.log(result, place, self.parent)
        if any(self.tracker.owes(place) for _, place in left):
            delivery.leave(self.directory.parent)

    def finish(self, files: Sequence[Path], best: Path | None, answer: Mapping[str, Any] | None = None) -> str:
        """End the entry with `files`, with the trial in `best` as a model, and with `answer`, the study's table.

        It is kept beside the trials too, for a tracker that is named later. Returns where the entry is, in a line.
        """
        from regimens.tracking import delivery, endings

        ending = endings.Ending(self.about, list(files), best, endings.compact(answer or {}))
        endings.write_ending(self.directory, ending)
        delivered = self.tracker.close(self.parent, "FINISHED", ending.files, ending.best, ending.answer)
        if self.node is not None and not delivered:
            delivery.leave(self.directory.parent)
        return self.tracker.link(self.parent)


def make_tracker(node: dict[str, Any] | None) -> Tracking:
    """The tracker that a plain configuration names, if any."""
    from regimens.core.build import build

    return Tracking() if node is None else build(node)


@contextmanager
def tracked(config: DictConfig, study: Study, directory: Path, session: str) -> Iterator[Tracked]:
    """The study's entry: a server's is opened before any worker starts; closed with how the study ended."""
    from regimens.tracking import delivery

    wanted = config.get("tracking")
    node: Any = None if wanted is None else OmegaConf.to_container(wanted, resolve=True)
    keep(node)
    tracker = make_tracker(node)
    about = {"name": study.name, "id": study.id, "question": study.question, "command": command()}
    entry = Tracked(tracker, node, about, directory, session)
    if not tracker.local:
        entry.open()
    try:
        yield entry
    except BaseException:
        tracker.close(entry.parent, "KILLED")
        if any(delivery.owed(tracker, directory)):
            delivery.leave(directory.parent)
        raise
    delivery.settle(tracker, directory.parent, busy, print)
