import os
from pathlib import Path

import pytest

from regimens import cli
from regimens.core.result import Result, write
from regimens.tracking import delivery
from regimens.tracking.delivery import Outage
from regimens.tracking.endings import Ending, write_ending
from regimens.tracking.interface import Tracking
from regimens.tracking.marks import MARK, Delivered, delivered, marked


class Room(Tracking):
    """A tracker that remembers, and may be away."""

    def __init__(self) -> None:
        self.away = False
        self.opened: list[str] = []
        self.shown: list[tuple[str, str | None]] = []
        self.closed: list[tuple[str | None, list[str], object]] = []

    def open(self, study, *, live=True):
        assert not live
        self.opened.append(f"{study['id']}: {study['question']}")
        return None if self.away else study["id"]

    def log(self, result, directory, parent=None):
        if self.away or (result.study and parent is None):
            return None
        with marked(directory) as mark:
            mark.write(Delivered(runs={"room": result.name}))
        self.shown.append((result.name, parent))
        return result.name

    def owes(self, directory):
        return not delivered(directory).runs

    def close(self, parent, status, files=(), best=None, answer=None):
        self.closed.append((parent, [file.name for file in files], answer))
        return not self.away


def idle(study: Path) -> bool:
    return False


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """One trial alone, and two of a study, of which one has been delivered."""
    study = {"id": "abc", "name": "s", "cell": {}, "phase": "final"}
    write(Result("completed", "alone", 1, {}, "0" * 64, {}), tmp_path / "alone")
    for number in range(2):
        place = tmp_path / "s-abc" / "default" / f"final-{number}"
        write(Result("completed", f"trial {number}", 1, {}, "0" * 64, {}, study={**study, "number": number}), place)
    (tmp_path / "s-abc" / "study.json").write_text('{"question": "Which?"}')
    with marked(place) as mark:
        mark.write(Delivered(runs={"room": "before"}))
    return tmp_path


def test_sync_delivers_what_is_owed_once_with_its_parent(runs: Path) -> None:
    room = Room()
    assert delivery.sync(room, runs, idle) == (2, 0)
    assert room.shown == [("alone", None), ("trial 0", "abc")]
    assert room.opened == ["abc: Which?"] and room.closed == []  # it has not ended
    assert delivery.sync(room, runs, idle) == (0, 0)


def test_what_could_not_be_delivered_is_told_and_kept_for_the_next_run(runs: Path) -> None:
    room, said = Room(), []
    delivery.settle(room, runs, idle, said.append)
    assert said == []  # nobody has left anything
    room.away = True
    delivery.leave(runs)
    delivery.settle(room, runs, idle, said.append)
    assert "2 results are on disk only" in said[-1]
    room.away = False
    delivery.settle(room, runs, idle, said.append)
    assert said[-1] == "tracking: 2 results of earlier runs delivered"
    delivery.settle(room, runs, idle, said.append)
    assert len(said) == 2


def test_a_study_that_is_worked_on_delivers_its_own(runs: Path) -> None:
    room = Room()
    assert delivery.sync(room, runs, lambda study: study.name == "s-abc") == (1, 1)
    assert room.shown == [("alone", None)] and room.opened == []
    assert delivery.sync(room, runs, idle) == (1, 0)


def test_a_tracker_that_is_away_is_asked_for_one_study_only(runs: Path) -> None:
    study = {"id": "def", "name": "t", "cell": {}, "phase": "final", "number": 0}
    other = runs / "t-def" / "default" / "final-0"
    write(Result("completed", "other", 1, {}, "0" * 64, {}, study=study), other)
    room = Room()
    room.away = True
    assert delivery.sync(room, runs, idle) == (0, 3)
    assert len(room.opened) == 1


def test_what_was_replaced_is_owed_to_nobody(runs: Path) -> None:
    trial = runs / "s-abc" / "default" / "final-0"
    trial.rename(trial.with_name("final-0.replaced-7"))
    assert list(delivery.owed(Room(), runs)) == [runs / "alone"]


def test_a_mark_cut_short_at_any_moment_still_says_that_delivery_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: object) -> None:
        raise Killed

    with marked(tmp_path) as mark:
        mark.write(Delivered(trial="x" * 80))
        for function in ("ftruncate", "pwrite"):
            with monkeypatch.context() as dying:
                dying.setattr(os, function, die)
                with pytest.raises(Killed):
                    mark.write(Delivered("x", {"here": "y"}))
            assert mark.read().begun


def test_a_torn_mark_says_that_delivery_had_begun(tmp_path: Path) -> None:
    with marked(tmp_path) as mark:
        assert mark.read() == Delivered()
        mark.write(Delivered(trial="x"))
    assert delivered(tmp_path) == Delivered(trial="x", begun=True)
    (tmp_path / MARK).write_text('{"tri')
    with marked(tmp_path) as mark:
        assert mark.read() == Delivered(begun=True)


def test_a_study_that_has_ended_is_shown_with_how_it_did_once_its_trials_are(runs: Path) -> None:
    study = runs / "s-abc"
    (runs / "table.json").write_text("{}")
    about = {"id": "abc", "name": "s", "question": "Which one?"}
    write_ending(study, Ending(about, [runs / "table.json", runs / "gone.svg"], None, {"cells": []}))
    room = Room()
    room.away = True
    delivery.leave(runs)
    delivery.sync(room, runs, idle)
    assert (runs / delivery.BACKLOG).exists()
    room.away, room.closed = False, []
    moved = runs.rename(runs.with_name("moved"))
    delivery.sync(room, moved, idle)
    assert room.closed == [("abc", ["table.json"], {"cells": []})]
    assert room.opened[-1] == "abc: Which one?"
    assert not (moved / delivery.BACKLOG).exists()


def test_a_damaged_result_keeps_no_other_one_from_being_delivered(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "alone" / "result.json").write_text("{")
    assert delivery.sync(Room(), runs, idle) == (1, 0)
    assert "alone" in capsys.readouterr().err


def test_an_outage_pauses_for_longer_the_more_a_failure_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(delivery.time, "monotonic", lambda: now[0])
    outage = Outage(lambda error: isinstance(error, ConnectionError))

    def fail(error: Exception, seconds: float) -> None:
        with pytest.raises(type(error)), outage.watch():
            now[0] += seconds
            raise error

    fail(ValueError(), 1)
    assert not outage.lasts  # it was about one result
    fail(ConnectionError(), 0)
    now[0] += 9.9
    assert outage.lasts
    now[0] += 0.2
    assert not outage.lasts
    fail(ConnectionError(), 10)
    now[0] += 199
    assert outage.lasts
    now[0] += 2
    with outage.watch():
        pass
    assert not outage.lasts


def test_a_mistake_in_the_command_costs_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train.py", "sync", "tracking.url=x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "tracking.url" in line
