"""What people do while a study runs or between two of its commands: edit, rename, copy, move, ask for more, kill.

Each time the same command goes on with what is there, trains nothing twice, and comes to the table of a study that
nobody disturbed.
"""

import contextlib
import os
import random
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from tests.study.conftest import FAKE, Room
from tests.study.test_reliability import children, kill, killed, wait_for

STUDY = ("study=optimizers", "study.workers=2", "advice.pause=0.05")


@pytest.fixture
def project(tmp_path):
    """A room whose script and configuration are its own."""
    app = shutil.copytree(FAKE, tmp_path / "mine" / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return Room(tmp_path / "mine", app)


def begun(room, trials=4):
    """A command that has trained some of its trials."""
    process = room.start(*STUDY)
    wait_for(lambda: len(room.trained) >= trials)
    return process


def tails(room):
    """What was trained, by cell and number, whatever the study and the project were called at that time."""
    return ["/".join(Path(line).parts[-2:]) for line in room.trained]


def trained_once(room):
    return len(set(tails(room))) == len(tails(room)) <= 21  # a kill may strike between a result and its line there


def edit(conf):
    path = conf / "optimizer" / "adam.yaml"
    path.write_text(path.read_text().replace("lr: ", "lr: 9") + "peak: 0.5\n")


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(edit, id="edited"),
        pytest.param(shutil.rmtree, id="deleted"),
        pytest.param(lambda conf: conf.rename(conf.with_name("other")), id="moved", marks=pytest.mark.slow),
    ],
)
@pytest.mark.thorough
def test_what_runs_is_what_was_named_whatever_becomes_of_its_configuration(project, uninterrupted, disturb):
    process = begun(project)
    disturb(project.app / "conf")
    for worker in children(process.pid)[:1]:  # whoever replaces it begins after the change
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert project.cells() == uninterrupted and trained_once(project)


def rename(room, number=0):
    """The project under another name, in another folder."""
    target = room.path.parent / f"folder {number}" / "renamed"
    target.parent.mkdir()
    return at(room.path.rename(target))


def copy(room, number=0):
    """A copy of the project, which goes on while the first one stays."""
    target = at(Path(shutil.copytree(room.path, room.path.parent / f"copy-{number}")))
    here = {"/".join(path.parts[-3:-1]) for path in target.path.glob("runs/*/*/*/result.json")}
    with contextlib.suppress(FileNotFoundError):
        # where trials went on meanwhile, the copy has only those whose results came with it
        kept = [line for line, tail in zip(target.trained, tails(target), strict=True) if tail in here]
        (target.path / "runs" / "trained.txt").write_text("".join(f"{line}\n" for line in kept))
    return target


def rename_study(room, number=0):
    """The study's directory under a name that says nothing to the command."""
    for directory in (room.path / "runs").glob("optimizers-*"):
        directory.rename(directory.with_name(f"old {number}"))
    return room


def copy_study(room, number=0):
    """A copy of the study's directory beside it."""
    for directory in (room.path / "runs").glob("optimizers-*"):
        shutil.copytree(directory, directory.with_name(f"backup-{number}"))
    return room


def at(path):
    return Room(path, path / "app")


@pytest.mark.parametrize(
    "disturb",
    [
        rename,
        pytest.param(copy, marks=pytest.mark.slow),
        rename_study,
        pytest.param(copy_study, marks=pytest.mark.slow),
    ],
)
@pytest.mark.thorough
def test_killed_and_then_renamed_or_copied_it_goes_on_with_its_own_files(project, uninterrupted, disturb):
    kill(begun(project))
    room = disturb(project)
    done = len(room.trained)
    assert 4 <= done < 21
    output = room.run("study=optimizers")
    assert room.cells() == uninterrupted and trained_once(room)
    assert all(line.startswith(f"{room.path}/") for line in room.trained[done:])
    if disturb is rename_study:
        assert "taken over from old 0" in output
    if disturb is copy:
        assert project.run("study=optimizers") and project.cells() == uninterrupted and trained_once(project)


@pytest.mark.slow
def test_a_copy_made_while_the_study_runs_goes_on_by_itself(project, uninterrupted):
    process = begun(project)
    room = copy(project)
    room.run("study=optimizers")
    assert process.wait(120) == 0, process.stdout.read()
    process.stdout.close()
    for one in (project, room):
        assert one.cells() == uninterrupted and trained_once(one)


def smaller(room, moments):
    """A study of some of the same trials, killed or not, which the other one may take over."""
    size = ("study.trials=4", "study.refine=0", f"study.seeds={moments.choice((1, 2))}")
    killed(room, moments, "optimizer=sgd,adam", "tune=lr", *size, "advice.pause=0.03")
    wait_for(lambda: not works(room))  # what ends after another study's command has looked is trained by both
    return room


def works(room):
    """Whether a process of the room's commands is still there, such as a worker that has yet to notice."""
    return any(one.info["cwd"] == str(room.path) for one in psutil.process_iter(["cwd"]))


def disturbed(room, seed, times):
    """Disturb a study at random moments in random ways; the room that it is in at last, and how often it was struck."""
    moments, struck = random.Random(seed), 0
    for number in range(times):
        struck += killed(room, moments, "study=optimizers", f"study.workers={1 + number % 2}", "advice.pause=0.03")
        kind = moments.choice([None, rename, copy, rename_study, copy_study, smaller])
        if kind is smaller:
            room = smaller(room, moments)
        elif kind:
            room = kind(room, number)
    room.run("study=optimizers")
    return room, struck


@pytest.mark.slow
def test_disturbed_in_many_ways_the_table_is_the_same(project, uninterrupted):
    room, struck = disturbed(project, seed=3, times=6)
    assert struck > 2
    assert room.cells() == uninterrupted and trained_once(room)


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(12))
def test_disturbed_in_more_ways_the_table_is_the_same(project, uninterrupted, seed):
    room, struck = disturbed(project, seed=100 + seed, times=25)
    assert struck > 10
    assert room.cells() == uninterrupted and trained_once(room)
