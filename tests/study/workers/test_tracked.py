"""Who tells the tracker what: a server hears from workers, a file from the study's command alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from regimens.core.result import Result, read, write
from regimens.study.workers.tracked import Tracked
from regimens.tracking.interface import Tracking


@dataclass
class Room(Tracking):
    """Remembers what it is told."""

    local: bool = True
    heard: list[str] = field(default_factory=list)

    def open(self, study: Any, *, live: bool = True) -> str:
        self.heard.append("open")
        return "entry"

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str:
        self.heard.append(f"{directory.name} of {parent}")
        return directory.name


class TrialQueue:
    """Where trials lie."""

    def __init__(self, root: Path) -> None:
        self.study, self.files, self.root = self, self, root

    def cell(self, label: str) -> str:
        return label

    def place(self, cell: str, phase: str, number: int) -> Path:
        return self.root / f"{cell}-{phase}-{number}"


@pytest.fixture
def queue(tmp_path: Path) -> Any:
    queue = TrialQueue(tmp_path)
    for number in (0, 1):
        result = Result(status="completed", name="x", seed=1, regimen={}, regimen_hash="0" * 64)
        place = queue.place("adam", "final", number)
        place.mkdir()
        write(result, place)
    return queue


def event(kind: str, number: int = 0) -> dict[str, Any]:
    return {"event": kind, "cell": "adam", "phase": "final", "number": number}


def test_a_file_is_opened_with_the_first_event_and_hears_of_each_trial_as_it_finishes(
    queue: Any, tmp_path: Path
) -> None:
    room = Room()
    shown = Tracked(room, None, {}, tmp_path, "alone")
    assert room.heard == []
    for one in ({"event": "ready"}, event("started"), event("epoch"), event("finished"), event("finished", 1)):
        shown.hear(one, queue)
    assert room.heard == ["open", "adam-final-0 of entry", "adam-final-1 of entry"]
    shown.open_once()
    assert room.heard.count("open") == 1


def test_a_trial_whose_result_is_damaged_is_not_shown(queue: Any, tmp_path: Path) -> None:
    room = Room()
    (queue.place("adam", "final", 1) / "result.json").write_text("{")
    Tracked(room, None, {}, tmp_path, "alone").hear(event("finished", 1), queue)
    assert room.heard == ["open"]


def test_a_trial_is_shown_by_its_worker_or_by_the_command_but_once(queue: Any, tmp_path: Path) -> None:
    for local in (False, True):
        room = Room(local=local)
        shown = Tracked(room, {"uri": "x"}, {}, tmp_path, "alone")
        shown.open()
        place = queue.place("adam", "final", 0)
        shown.show(read(place), place)  # what a worker in this process does
        shown.hear(event("finished"), queue)
        assert room.heard == ["open", "adam-final-0 of entry"]
        assert (shown.for_workers is None) == local


def test_workers_show_results_to_the_tracker_of_the_command_that_started_them(tmp_path: Path) -> None:
    secret = "http://me:hush@host"
    shown = Tracked(Room(local=False), {"uri": secret}, {}, tmp_path, "alone")
    assert "hush" not in str(shown.for_workers)
