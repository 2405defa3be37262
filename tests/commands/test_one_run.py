"""Single runs and their files: no result is written over another run's, and no place is taken for granted."""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from regimens.core import provenance
from regimens.core.errors import UserError
from regimens.core.hashing import digest
from regimens.core.result import Result, read, write
from regimens.trial.run_directory import LOCK, Run, claimed
from tests.conftest import CONF, SMALL, Asked

TRAIN = CONF.parent / "src" / "train.py"
Ask = Callable[..., Asked]


def call(root: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "REGIMENS_ROOT": str(root), **variables}
    command = [sys.executable, str(TRAIN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)


def run_of(optimizer: str, seed: int = 42) -> Run:
    regimen = {"optimizer": {"name": optimizer}, "epochs": 1}
    return Run(seed, regimen, digest(regimen), {"optimizer": optimizer})


def leave(run: Run, directory: Path, status: str = "completed") -> None:
    result = Result(status, "mine", run.seed, dict(run.regimen), run.regimen_hash, dict(run.choices))
    result.metrics = {"val/accuracy": 0.89}
    write(result, directory)


@pytest.mark.thorough
def test_a_name_used_again_with_another_regimen_is_refused_with_what_it_holds(ask: Ask, tmp_path: Path) -> None:
    small = [one for one in SMALL if not one.startswith("name=")]
    assert call(tmp_path, *small, "name=mine", "optimizer=adam").returncode == 0
    again = ask("name=mine", "optimizer=sgd", small=tuple(small))
    assert "runs/mine holds another run (optimizer=adam, accuracy 0." in again.error
    assert "this one (optimizer=sgd)" in again.error and "take another name=" in again.error
    assert "seed=42" in ask("name=mine", "optimizer=adam", "seed=43", small=tuple(small)).error
    assert "epochs=2" in ask("name=mine", "optimizer=adam", "epochs=3", small=tuple(small)).error
    same = ask("name=mine", "optimizer=adam", small=tuple(small))
    assert same.status == "reached" and "is replaced by the same trained anew" in same.notes
    assert read(tmp_path / "runs" / "mine").choices["optimizer"] == "adam"


@pytest.mark.thorough
def test_a_name_used_again_on_other_data_or_by_other_code_keeps_the_first_result(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = load_digits(return_X_y=True)

    def bring(shift: float) -> None:
        np.savez(tmp_path / "my.npz", X_train=arrays[0][:200].astype("float32") + shift, y_train=arrays[1][:200])

    small = [one for one in SMALL if not one.startswith(("name=", "data", "task"))]
    small += ["data=arrays", f"data.path={tmp_path}/my.npz", "name=mine"]
    bring(0)
    assert call(tmp_path, *small).returncode == 0
    first = (tmp_path / "runs" / "mine" / "result.json").read_text()
    assert ask(small=tuple(small)).status == "reached"
    assert "what it measures (test, probe) were others" in ask("test=true", small=tuple(small)).error
    bring(np.linspace(0, 9, 64, dtype="float32"))
    assert "but its data, " in ask(small=tuple(small)).error
    bring(0)
    monkeypatch.setattr(provenance, "training_code", lambda: "other")
    again = ask(small=tuple(small))
    assert again.status == "reached" and "by other code (revision" in again.notes
    assert (tmp_path / "runs" / "mine.replaced-1" / "result.json").read_text() == first
    assert (tmp_path / "runs" / "mine.replaced-1" / "final.safetensors").exists()


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_what_did_not_get_to_its_end_may_be_replaced(tmp_path: Path, status: str) -> None:
    leave(run_of("adam"), tmp_path / "runs" / "mine", status)
    with claimed(tmp_path / "runs" / "mine", run_of("sgd"), tmp_path / "runs", named=True) as place:
        assert place == tmp_path / "runs" / "mine"


def test_two_runs_of_the_same_second_get_two_directories(tmp_path: Path) -> None:
    runs, wanted = tmp_path / "runs", tmp_path / "runs" / "20260101-000000"
    with claimed(wanted, run_of("adam"), runs, named=False) as one:
        with claimed(wanted, run_of("adam"), runs, named=False) as two:
            leave(run_of("adam"), two)
        leave(run_of("adam"), one)
    with claimed(wanted, run_of("adam"), runs, named=False) as three:  # also where the clock was put back
        assert (one.name, two.name, three.name) == (wanted.name, f"{wanted.name}-2", f"{wanted.name}-3")
    assert not three.exists() and not list(runs.rglob(LOCK))


def test_many_runs_at_once_never_share_a_directory(tmp_path: Path) -> None:
    runs, taken, guard = tmp_path / "runs", [], threading.Lock()

    def begin() -> None:
        with claimed(runs / "now", run_of("adam"), runs, named=False) as place:
            with guard:
                taken.append(place)
            leave(run_of("adam"), place)
            time.sleep(0.01)

    threads = [threading.Thread(target=begin) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 20


def test_a_directory_that_a_live_process_writes_to_is_refused(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with (
        claimed(runs / "mine", run_of("adam"), runs, named=True),
        pytest.raises(UserError, match="another process trains there"),
        claimed(runs / "mine", run_of("adam"), runs, named=True),
    ):
        pass


@pytest.mark.parametrize("name", ["name=.", "name=..", "name="])
def test_the_folder_of_all_runs_is_no_run_s(ask: Ask, name: str) -> None:
    assert "the folder of all runs" in ask(name).error


@pytest.mark.thorough
def test_a_study_s_directory_is_no_run_s(ask: Ask, tmp_path: Path) -> None:
    study = tmp_path / "runs" / "optimizers-12345678"
    (study / "optimizer=adam" / "final-0").mkdir(parents=True)
    (study / "study.json").write_text("{}")
    assert "it belongs to the study" in ask(f"name={study.name}").error
    inside = "hydra.run.dir=${paths.runs}/optimizers-12345678/optimizer\\=adam/final-0"
    assert "it belongs to the study" in ask(inside).error


@pytest.mark.parametrize(
    "arguments",
    [
        ("paths.root=/proc/none",),
        ("-m", "optimizer=adam,sgd", "paths.root=/proc/none"),
        ("-m", "optimizer=adam,sgd", "paths.results=/proc/none"),
        ("name=mine", "hydra.run.dir=/proc/none"),
        ("paths.runs=/dev/null",),
        ("-m", "optimizer=adam,sgd", "paths.runs=/dev/null/runs"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_line_at_once(ask: Ask, arguments: tuple[str, ...]) -> None:
    error = ask(*arguments).error
    assert "cannot be written" in error and "REGIMENS_ROOT=" in error and "paths.root=" in error


@pytest.mark.parametrize("home", [None, "/proc/none"])
@pytest.mark.thorough
def test_no_home_is_needed(tmp_path: Path, home: str | None) -> None:
    variables = {key: value for key, value in os.environ.items() if key != "HOME"} | {"REGIMENS_ROOT": str(tmp_path)}
    variables |= {"HOME": home} if home else {}
    command = [sys.executable, str(TRAIN), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "Error" in line or "Warning" in line]


@pytest.mark.parametrize("question", ["--help", "--info", "--list"])
def test_a_reader_may_leave(tmp_path: Path, question: str) -> None:
    line = f"'{sys.executable}' '{TRAIN}' {question} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) == 1


@pytest.mark.thorough
def test_a_run_outlives_its_readers(tmp_path: Path) -> None:
    command = shlex.join([sys.executable, str(TRAIN), *SMALL, "epochs=5"])
    line = f"{command} 2>&1 | true"
    environment = {**os.environ, "REGIMENS_ROOT": str(tmp_path)}
    subprocess.run(["bash", "-c", line], env=environment, timeout=200, check=True)
    assert json.loads((tmp_path / "runs" / "test" / "result.json").read_text())["status"] == "completed"
