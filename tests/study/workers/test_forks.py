"""Workers are forks of one process, which is begun before their study is planned, and end with their command."""

import contextlib
import json
import os
import time
from pathlib import Path

import psutil
import pytest

from regimens.core.locks import Lock
from regimens.study.workers.forks import Forks, Worker
from regimens.study.workers.leases import Lease

RUNNER = "tests.study.fake.fake_trial"
SERVER, WORKER = "regimens.core.fork_server", "regimens.study.workers.worker"


def processes(module: str, parent: int | None = None) -> set[int]:
    """The children of a process that run this module."""
    found = set()
    for one in psutil.Process(parent).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended between the two looks
            found |= {one.pid} if module in one.cmdline() else set()
    return found


def server() -> int:
    """The process that workers are forks of."""
    while not (found := processes(SERVER)):  # a moment has no command line
        time.sleep(0.01)
    (pid,) = found
    return pid


def lost(worker: Worker) -> tuple[list[dict], int]:
    """What a worker without a study tells, and its exit status."""
    events = [json.loads(line) for line in worker.events]
    return events, worker.wait()


def job(directory: Path) -> dict:
    return {
        "directory": str(directory), "session": "s", "run_trial": RUNNER, "tracking": None, "entry": None,
        "storage_wait": 1,
    }  # fmt: skip


@pytest.fixture
def log(tmp_path: Path):
    with (tmp_path / "log").open("a") as file:
        yield file


def test_what_they_are_forks_of_ends_with_the_command() -> None:
    with pytest.raises(RuntimeError, match="a mistake"), Forks(RUNNER) as forks:
        forks.begin()
        first = server()
        forks.begin(["eager"])
        assert processes(SERVER) == {first}
        raise RuntimeError("a mistake")
    assert not processes(SERVER)


def test_all_are_forks_of_one_process(tmp_path: Path, log) -> None:
    with Forks(RUNNER) as forks:
        workers = [forks.worker(job(tmp_path), log, Lease()) for _ in range(3)]
        first = server()
        assert not processes(WORKER)
        told = [lost(worker) for worker in workers]
        assert len(told) == 3
        assert all(status == 1 for _, status in told)  # there is no study
        assert processes(SERVER) == {first}
    assert "Traceback" in (tmp_path / "log").read_text()


def test_one_that_leases_a_device_is_a_process_of_its_own_and_keeps_the_lease(tmp_path: Path, log) -> None:
    lock = Lock(tmp_path / "gpu-0.lock")
    assert lock.acquire(wait=False)
    with Forks(RUNNER) as forks:
        worker = forks.worker(job(tmp_path), log, Lease("0", [lock]))
        assert processes(WORKER)
        assert not processes(SERVER)
        lock.release()
        assert not Lock(lock.path).acquire(wait=False)
        assert lost(worker)[1] == 1
        assert Lock(lock.path).acquire(wait=False)


def test_where_there_can_be_no_server_they_are_processes_of_their_own(
    tmp_path: Path, log, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with Forks(RUNNER) as forks:
        worker = forks.worker(job(tmp_path), log, Lease())
        assert processes(WORKER)
        assert lost(worker)[1] == 1


def test_a_server_that_was_killed_is_done_without(tmp_path: Path, log) -> None:
    with Forks(RUNNER) as forks:
        assert lost(forks.worker(job(tmp_path), log, Lease()))[1] == 1
        psutil.Process(server()).kill()
        assert lost(forks.worker(job(tmp_path), log, Lease()))[1] == 1


def test_a_server_that_dies_meanwhile_is_no_error_of_the_study(tmp_path: Path, log) -> None:
    with Forks(RUNNER) as forks:
        forks.begin()
        process = psutil.Process(server())
        process.kill()
        psutil.wait_procs([process], timeout=10)
        forks.begin(["eager"])
        assert lost(forks.worker(job(tmp_path), log, Lease()))[1] == 1


def test_a_worker_is_had_where_the_working_directory_was_removed(tmp_path: Path, log) -> None:
    with Forks(RUNNER) as forks:
        forks.begin()
        server()
        (tmp_path / "gone").mkdir()
        with contextlib.chdir(tmp_path / "gone"):
            (tmp_path / "gone").rmdir()
            assert lost(forks.worker(job(tmp_path), log, Lease()))[1] == 1


def test_what_a_killed_worker_printed_is_in_its_log(tmp_path: Path, log, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prints.py").write_text(
        "import os, signal\n"
        "class R:\n"
        "    def warm_up(self, engines=()): pass\n"
        "    def look_at_data(self, config): pass\n"
        "def __getattr__(name):\n"
        "    if name == 'runner' and 'forked' in os.environ:\n"
        "        print('said'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return R()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with Forks("prints:runner") as forks:
        forks.begin()
        monkeypatch.setenv("forked", "1")
        asked = {**job(tmp_path), "run_trial": "prints:runner"}
        assert lost(forks.worker(asked, log, Lease()))[1] == -9
    assert (tmp_path / "log").read_text() == "said\n"


@pytest.mark.thorough
def test_a_new_question_is_begun_early_and_one_that_is_there_is_not(room) -> None:
    process = room.start("study=optimizers", "study.workers=2")
    early, runs = set(), room.path / "runs"
    while process.poll() is None and not list(runs.glob("optimizers-*")):
        early |= processes(SERVER, process.pid)
        time.sleep(0.01)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(early) == 1
    again = room.start("study=optimizers", "study.workers=2")
    seen = set()
    while again.poll() is None:
        seen |= processes(SERVER, again.pid)
        time.sleep(0.01)
    again.communicate()
    assert again.returncode == 0
    assert not seen
