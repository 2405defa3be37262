"""Studies of real trials, tracked in MLflow and killed for real: `src/train.py` as people run it, on the digits."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = ("optimizer=sgd,adam", "tune=lr", "study.trials=4", "study.seeds=3",
         "data=digits", "data.train_size=200", "model.hidden=[16]", "epochs=2")  # fmt: skip


def start(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    paths = (f"paths.root={root}", f"tracking.uri=sqlite:///{root}/mlflow.db", f"tracking.artifacts={root}/artifacts")
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "src" / "train.py"), "-m", *STUDY, *paths, *arguments],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def finish(root: Path, *arguments: str) -> str:
    process = start(root, *arguments)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def kill_at(process: "subprocess.Popen[str]", seconds: float) -> bool:
    """Kill -9 `seconds` after the study has begun; whether it was still running."""
    assert process.stdout is not None
    for line in process.stdout:
        if "trials," in line:
            break
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    struck = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return struck


def cells(root: Path) -> str:
    (table,) = (root / "results").glob("*.json")
    return json.dumps(json.loads(table.read_text())["cells"])


def results(root: Path) -> dict[Path, int]:
    """Each result and when it was written."""
    return {path: path.stat().st_mtime_ns for path in (root / "runs").glob("*/*/*/result.json")}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_twenty_times_neither_the_table_nor_mlflow_tells(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(whole)
    moments = random.Random(1)
    seen: dict[Path, int] = {}
    struck = 0
    for number in range(20):
        struck += kill_at(start(killed, f"study.workers={1 + number % 2}"), moments.uniform(0.0, 6.0))
        time.sleep(0.5)  # workers notice that their command is dead
        assert seen.items() <= results(killed).items()  # no trial was trained twice
        seen = results(killed)
    assert struck > 5
    finish(killed)
    assert cells(killed) == cells(whole)
    assert seen.items() <= results(killed).items()
    client = MlflowClient(f"sqlite:///{killed}/mlflow.db")
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED"}
    names = Counter(run.data.tags["regimens.directory"] for run in runs if "regimens.directory" in run.data.tags)
    trials = len(results(whole))
    assert trials >= 14  # grids may grow
    assert len(names) == trials and set(names.values()) == {1}
    assert len(runs) == trials + 1
