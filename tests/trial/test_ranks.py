"""A trial on several devices, from the command line to its end, whichever end that is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from regimens.core.errors import Pruned, UserError
from regimens.trial import ranks
from tests.conftest import Train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
SMALL = ("data=digits", "data.train_size=210", "batch_size=20", "epochs=2", "model.hidden=[16,8]", "tracking=none")
TWO = ("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """`command("-m", "seed=1")`: src/train.py, small, on two processes, in a folder of its own."""

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "src" / "train.py"),
                *arguments[:1],
                *SMALL,
                *TWO,
                f"paths.root={tmp_path}",
                *arguments[1:],
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # they are processes of a processor
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )

    return start


def ranks_of(directory: Path) -> list[psutil.Process]:
    """The living ranks whose trial lies below `directory`."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if (
            "regimens.trial.ranks" in line
            and str(directory) in line[-1]
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            found.append(process)
    return found


def until(condition: Callable[[], Any], seconds: float = 300) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return value


def result(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "result.json").read_text())


def test_two_processes_give_the_curve_of_one(train: Train, tmp_path: Path) -> None:
    regimen = (
        "norm=batch",
        "clip=global_norm",
        "batch_size=20",
        "data.train_size=210",
        "regularization=early_stopping",
    )
    one = train(*regimen, into="one")
    told: list[int] = []
    two = train(*regimen, *TWO, "engine=compiled", into="two", on_epoch=lambda epoch, numbers: told.append(epoch))
    assert (one.status, two.status, told) == ("completed", "completed", [1, 2])
    for name in ("train/loss", "val/loss", "train/accuracy", "val/accuracy", "lr"):
        assert two.history[name] == pytest.approx(one.history[name], abs=1e-5)
    assert two.metrics["val/loss"] == pytest.approx(one.metrics["val/loss"], abs=1e-5)
    spread = two.provenance["ddp"]
    assert (spread["devices"], spread["backend"], spread["effective_batch"]) == (2, "gloo", 20)
    assert (spread["sync_batchnorm"], spread["lr_factor"]) == (True, 1)
    assert (two.provenance["engine"], two.provenance["engine_note"]) == (
        "eager",
        "a trial on several devices steps eagerly",
    )
    assert "ddp" not in one.provenance
    written = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert written == sorted(path.name for path in (tmp_path / "one").iterdir())
    assert not ranks_of(tmp_path)


def test_a_trial_that_diverges_ends_in_every_rank(train: Train, tmp_path: Path) -> None:
    assert train(*TWO, "batch_size=20", "optimizer.lr=1e30").status == "diverged"
    assert not ranks_of(tmp_path)


def test_a_trial_that_is_pruned_ends_in_every_rank(train: Train, tmp_path: Path) -> None:
    def stop(epoch: int, numbers: dict[str, float]) -> None:
        raise Pruned("enough")

    pruned = train(*TWO, "batch_size=20", "epochs=50", on_epoch=stop)
    assert (pruned.status, pruned.metrics["epochs"]) == ("pruned", 1)
    assert not ranks_of(tmp_path)


def test_a_mistake_found_in_a_rank_is_a_mistake_here(train: Train, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"optimizer.lr"):
        train(*TWO, "batch_size=20", "optimizer.lr=-1")
    assert not (tmp_path / "trial" / ranks.JOB).exists()


def test_ranks_of_a_study_are_no_studies(command: Callable[..., Any], tmp_path: Path) -> None:
    process = command("-m", "optimizer=sgd,nadam", "study.workers=2", "study.name=spread")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "2 trials: 2 completed" in output
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("result.json")]
    assert sorted(one["choices"]["optimizer"] for one in found) == ["nadam", "sgd"]
    assert all(one["provenance"]["ddp"]["devices"] == 2 for one in found)
    assert not ranks_of(tmp_path)


def test_a_killed_rank_ends_the_trial(command: Callable[..., Any], tmp_path: Path) -> None:
    process = command("name=long", "epochs=100000")
    until(lambda: len(ranks_of(tmp_path)) == 2)
    last = max(ranks_of(tmp_path), key=lambda rank: rank.create_time())
    last.kill()
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "a process of the trial died" in output or "closed by peer" in output.lower()
    assert result(tmp_path / "runs" / "long")["status"] == "failed"
    assert not ranks_of(tmp_path)


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)])
def test_no_rank_outlives_its_command(
    command: Callable[..., Any], tmp_path: Path, how: signal.Signals, status: int
) -> None:
    process = command("name=long", "epochs=100000")
    until(lambda: len(ranks_of(tmp_path)) == 2)
    os.kill(process.pid, how)
    process.communicate(timeout=60)
    assert process.returncode == status
    until(lambda: not ranks_of(tmp_path), 10)


def test_what_cannot_be_spread_costs_one_line(command: Callable[..., Any]) -> None:
    for arguments, message in (
        (("name=zero", "trainer.devices=0"), "error: trainer.devices=0: must be a whole number, 1 or more\n"),
        (
            ("name=odd", "batch_size=33"),
            "error: batch_size=33: trainer.devices=2 cannot share it evenly; take a multiple of 2\n",
        ),
    ):
        process = command(*arguments)
        assert process.communicate(timeout=600)[0].splitlines(keepends=True)[-1] == message
        assert process.returncode == 2
