"""What a study survives; each failure is the real one."""

import contextlib
import os
import random
import re
import signal
import subprocess
import time

import pytest


def kill(process):
    """kill -9 of the command alone: its workers have to notice."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.thorough
def test_killed_at_twenty_moments_the_table_is_the_same(room, uninterrupted):
    assert kill_repeatedly(room, kills=20, seed=1) > 10
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) <= 21  # a kill may strike between a result and its line there


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_many_moments_the_table_is_the_same(room, uninterrupted, seed):
    assert kill_repeatedly(room, kills=50, seed=seed) > 25
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) <= 21  # a kill may strike between a result and its line there


def kill_repeatedly(room, kills, seed):
    """Kill commands and at last let one finish; how many of them were struck while they ran."""
    moments = random.Random(seed)
    struck = 0
    for number in range(kills):
        struck += killed(room, moments, "study=optimizers", f"study.workers={1 + number % 2}", "advice.pause=0.03")
    room.run("study=optimizers")
    return struck


def killed(room, moments, *arguments):
    """Kill a command at a random moment, mostly after its study has begun; whether it was still running."""
    process = room.start(*arguments)
    if moments.random() < 0.8:
        next((line for line in process.stdout if "trials," in line), None)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moments.uniform(0.0, 1.0))
    struck = process.poll() is None
    kill(process)
    return struck


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
def test_an_adaptive_sampler_does_not_notice_that_its_command_was_killed(room, another_room, sampler):
    arguments = ("optimizer=sgd,adam", "scheduler=constant,exp", "tune=lr", f"study.sampler={sampler}",
                 "study.trials=14", "study.seeds=1", "advice.pause=0.03")  # fmt: skip
    another_room.run(*arguments)
    moments = random.Random(1)
    assert sum(killed(room, moments, *arguments) for _ in range(8)) > 4
    room.run(*arguments)
    assert room.cells("adhoc") == another_room.cells("adhoc")
    assert len(set(room.trained)) == len(room.trained) == len(another_room.trained)


@pytest.mark.thorough
def test_one_worker_killed_the_others_finish_and_its_trial_is_tried_again(room, tmp_path):
    fault = f"advice.fault={{kind: kill once, phase: final, number: 1, mark: {tmp_path}/mark}}"
    output = room.run("study=optimizers", "study.workers=3", "study.trials=2", fault)
    assert "15 completed" in output and "worker" in output and "died" in output
    assert len(set(room.trained)) == len(room.trained) == 15


@pytest.mark.thorough
def test_a_trial_that_kills_its_workers_is_given_up(room):
    output = room.run("optimizer=adam,sgd", "study.seeds=2", "study.workers=2",
                      "advice.fault={kind: kill, phase: final, number: 1}", status=1)  # fmt: skip
    assert "2 completed, 2 killed" in output.splitlines()[-1]
    assert output.count("died") == 2 * 3
    errors = [trial["error"] for trial in room.table("adhoc")["trials"] if trial["status"] == "killed"]
    assert all(error["type"] == "WorkerDied" for error in errors)


@pytest.mark.thorough
def test_two_commands_at_once_join_one_study(room, uninterrupted):
    commands = [room.start("study=optimizers", f"study.workers={n}", "advice.pause=0.01") for n in (1, 2)]
    for command in commands:
        assert command.wait(60) == 0, command.stdout.read()
    for command in commands:
        command.stdout.close()
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) <= 21  # a kill may strike between a result and its line there


@pytest.mark.parametrize(("kind", "status", "options"), [
    ("raise", "failed", ()),
    ("memory", "oom", ()),
    ("hang", "timeout", ("study.timeout=1.5",)),
])  # fmt: skip
@pytest.mark.thorough
def test_a_bad_trial_is_recorded_as_what_it_was_and_the_study_goes_on(room, kind, status, options):
    fault = f"advice.fault={{kind: {kind}, phase: final, number: 0}}"
    output = room.run("optimizer=adam,sgd", "study.seeds=3", fault, *options, status=1)
    assert f"4 completed, 2 {status}" in output.splitlines()[-1]
    cells = room.table("adhoc")["cells"]
    assert [(cell["n"], cell["n_failed"]) for cell in cells] == [(2, 1), (2, 1)]
    bad = next(trial for trial in room.table("adhoc")["trials"] if trial["status"] == status)
    assert bad["error"]["message"]
    if kind == "raise":
        assert "misbehave" in bad["error"]["traceback"]
    again = room.run("optimizer=adam,sgd", "study.seeds=3", fault, *options, status=1)
    assert "6 done" in again


@pytest.mark.thorough
def test_a_diverged_trial_counts_in_the_budget_and_stops_nothing(room):
    output = room.run("study=optimizers", "diverges_above=0.03")
    assert re.search(r"21 trials: \d+ completed, \d+ diverged", output.splitlines()[-1])
    assert sum(cell["n_diverged"] for cell in room.table()["cells"]) > 0


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.thorough
def test_ctrl_c_stops_within_five_seconds_and_says_how_to_resume(room, uninterrupted, workers):
    process = room.start("study=optimizers", f"study.workers={workers}", "advice.pause=0.1")
    wait_for(lambda: len(room.trained) > 1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "resume with: python" in output and "study=optimizers" in output.splitlines()[-1]
    room.run("study=optimizers")
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) <= 21  # a kill may strike between a result and its line there


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.thorough
def test_workers_die_with_their_command(room, stopped):
    process = room.start("study=optimizers", "study.workers=2", "advice.pause=5")
    wait_for(lambda: len(children(process.pid)) == 2)
    time.sleep(1)
    (server,), workers = (children(process.pid, of) for of in (SERVER, WORKERS))
    if stopped:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
    assert all(alive(pid) for pid in (server, *workers))
    kill(process)
    wait_for(lambda: not any(alive(pid) for pid in (server, *workers)), 5)


@pytest.mark.thorough
def test_the_process_that_workers_are_forks_of_may_be_killed(room, uninterrupted):
    process = room.start("study=optimizers", "study.workers=2", "advice.pause=0.05")
    wait_for(lambda: len(room.trained) >= 4)
    os.kill(children(process.pid, SERVER)[0], signal.SIGKILL)  # and so, all its forks
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) <= 21


SERVER, WORKERS = 0, 1  # generations of a command's children


def children(pid, generation=WORKERS):
    """A command's worker processes, which are forks of its only child, or that child."""
    import psutil

    found = [psutil.Process(pid)]
    with contextlib.suppress(psutil.NoSuchProcess):
        for _ in range(generation + 1):
            found = [child for one in found for child in one.children()]
        return [one.pid for one in found]
    return []


def alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
