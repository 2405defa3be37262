"""Workers that are started before their study is planned."""

import contextlib
import os
import subprocess
import time

import psutil
import pytest

from regimens.study.workers.spares import Spares

RUNNER = "tests.study.fake.fake_trial"


def workers(parent: int) -> set[int]:
    """A process's worker processes."""
    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in psutil.Process(parent).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= {one.pid} if "regimens.study.workers.worker" in one.cmdline() else set()
    return found


def test_workers_that_nobody_took_end_with_the_command() -> None:
    with pytest.raises(RuntimeError, match="a mistake"), Spares(RUNNER, 2):
        deadline = time.monotonic() + 10
        while len(workers(os.getpid())) < 2 and time.monotonic() < deadline:  # a moment has no command line
            time.sleep(0.01)
        assert len(workers(os.getpid())) == 2
        raise RuntimeError("a mistake")
    assert not workers(os.getpid())


def test_each_is_taken_once_and_ends_where_there_is_no_job() -> None:
    with Spares(RUNNER, 1) as spares:
        one = spares.take()
        assert isinstance(one, subprocess.Popen)
        assert spares.take() is None
    assert one.poll() is None
    one.communicate(timeout=30)  # closes its input
    assert one.returncode == 0


@pytest.mark.thorough
def test_a_new_question_is_begun_by_them_and_one_that_is_there_is_not(room) -> None:
    process = room.start("study=optimizers", "study.workers=2")
    early, runs = set(), room.path / "runs"
    while process.poll() is None and not list(runs.glob("optimizers-*")):
        early |= workers(process.pid)
        time.sleep(0.01)
    process.communicate(timeout=60)
    assert process.returncode == 0
    trained_by = {int(line.split()[-3]) for line in (runs / "shares.txt").read_text().splitlines()}
    assert trained_by
    assert trained_by <= early
    again = room.start("study=optimizers", "study.workers=2")
    seen = set()
    while again.poll() is None:
        seen |= workers(again.pid)
        time.sleep(0.01)
    again.communicate()
    assert again.returncode == 0
    assert not seen
