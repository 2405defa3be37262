"""Two stages at a time: nothing before what it waits for, each on its own cores, nothing after a failure."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import script

ROOT = Path(__file__).resolve().parent.parent
DIAMOND = {"start": set[str](), "left": {"start"}, "right": {"start"}, "alone": {"start"}, "end": {"left", "right"}}
LANES = [frozenset({0}), frozenset({1})]
STAGES = """
stages:
  first: {cmd: "echo begun; echo one > first.txt", outs: [first.txt]}
  side: {cmd: "python cores.py > side.txt", deps: [cores.py], outs: [side.txt]}
  last: {cmd: "cat first.txt > last.txt", deps: [first.txt], outs: [last.txt]}
"""


@pytest.fixture
def lanes() -> ModuleType:
    """tools/side_by_side.py, which is a script and not a package's module."""
    return script(ROOT / "tools" / "side_by_side.py")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC project of three stages, outside git."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "cores.py").write_text("import os; print(len(os.sched_getaffinity(0)))\n")
    return tmp_path


def environment() -> dict[str, str]:
    """This interpreter first, as tools/study.py has it."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_a_stage_begins_when_all_that_it_waits_for_has_ended(lanes: ModuleType) -> None:
    ended: list[str] = []

    def run(name: str, cores: frozenset[int]) -> int:
        assert DIAMOND[name] <= set(ended)
        ended.append(name)
        return 0

    assert lanes.run_all(DIAMOND, LANES, run) == 0
    assert sorted(ended) == sorted(DIAMOND)


def test_two_run_at_a_time_each_on_its_own_cores(lanes: ModuleType) -> None:
    meeting, used = threading.Barrier(2, timeout=20), []

    def run(name: str, cores: frozenset[int]) -> int:
        meeting.wait()  # breaks where no other stage runs
        used.append(cores)
        return 0

    assert lanes.run_all({name: set() for name in "abcd"}, LANES, run) == 0
    assert used.count(LANES[0]) == used.count(LANES[1]) == 2


def test_a_stage_that_is_alone_has_all_cores(lanes: ModuleType) -> None:
    meeting, used = threading.Barrier(2, timeout=20), {}

    def run(name: str, cores: frozenset[int]) -> int:
        if name in ("left", "right"):
            meeting.wait()
        used[name] = cores
        return 0

    graph = {"first": set(), "left": {"first"}, "right": {"first"}, "last": {"left", "right"}}
    assert lanes.run_all(graph, LANES, run) == 0
    assert used["first"] == used["last"] == {0, 1}
    assert {used["left"], used["right"]} == set(LANES)


def test_those_that_come_first_are_begun_first(lanes: ModuleType) -> None:
    begun: list[str] = []
    assert lanes.run_all(DIAMOND, LANES[:1], lambda name, cores: begun.append(name) or 0) == 0
    assert begun == ["start", "left", "right", "alone", "end"]


def test_after_a_failure_nothing_is_begun_and_what_runs_is_waited_for(lanes: ModuleType) -> None:
    failed, ended = threading.Event(), []

    def run(name: str, cores: frozenset[int]) -> int:
        if name == "bad":
            failed.set()
            return 7
        assert failed.wait(20)
        ended.append(name)
        return 0

    assert lanes.run_all({"bad": set(), "beside": set(), "later": set(), "after": {"bad"}}, LANES, run) == 7
    assert ended == ["beside"]


def test_nothing_stale_is_no_work(lanes: ModuleType) -> None:
    assert lanes.run_all({}, LANES, lambda name, cores: pytest.fail(name)) == 0


def test_every_core_is_in_one_lane(lanes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "inventory", list)
    for count in (1, 2, 5):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, count=count: set(range(count)))
        found = lanes.shares()
        assert len(found) == min(count, 2)
        assert sorted(core for share in found for core in share) == list(range(count))
    monkeypatch.setattr(lanes, "inventory", lambda: ["0"])
    assert lanes.shares() == [frozenset()]  # who leases GPUs leases all that are free


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what DVC imports
def test_what_dvc_would_run_is_found_and_run(
    lanes: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lanes.stale(project) == {"first": set(), "side": set(), "last": {"first"}}
    core = min(os.sched_getaffinity(0))
    result: list[int] = []

    def run() -> None:  # in a thread of its own, as run_all's: the cores are those of the thread
        for name in ("first", "side", "last"):
            result.append(lanes.reproduce(project, environment(), name, frozenset({core})))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert result == [0, 0, 0]
    assert capsys.readouterr().out.split() == ["first", "begun"]  # DVC's own words are left out
    assert (project / "side.txt").read_text() == "1\n" and (project / "last.txt").read_text() == "one\n"
    assert lanes.stale(project) == {}
    told = subprocess.run(
        [sys.executable, "-m", "dvc", "status"], cwd=project, env=environment(), capture_output=True, text=True
    )
    assert "up to date" in told.stdout, told.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pipeline_that_cannot_be_read_is_left_to_dvc(lanes: ModuleType, project: Path) -> None:
    (project / "dvc.yaml").write_text(STAGES.replace("first.txt]}", "${nowhere}]}", 1))
    assert lanes.stale(project) == {}
    (project / "dvc.yaml").write_text("stages: [")
    assert lanes.stale(project) == {}


def test_a_stage_that_fails_says_so_and_how_to_go_on(
    lanes: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "cores.py").write_text("raise SystemExit('no cores today')\n")
    assert lanes.reproduce(project, environment(), "side", frozenset()) != 0
    out, err = capsys.readouterr()
    assert "side            no cores today" in out
    assert err.startswith("error: stage side ended with status ") and "dvc repro side" in err
