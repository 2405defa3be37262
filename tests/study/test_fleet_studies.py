"""Whole studies whose trials are trained together: nobody can tell from the table how they were run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CONF

ASKED = ("data=digits", "model.hidden=[24,12]", "epochs=2", "tracking=none", "engine=fleet", "optimizer=sgd,nadam")
TUNED = ("optimizer.lr=tag(log,interval(0.001,0.1))", "study.trials=5", "study.seeds=3")


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "REGIMENS_ROOT": str(root), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), "-m", *ASKED, *TUNED, *arguments]
    return subprocess.Popen(
        command, env=environment, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


def timeless(root: Path) -> list[Any]:
    """Every trial's record, times and places aside."""
    trials = []
    for path in sorted((root / "runs").glob("*/*/*/result.json")):
        one = json.loads(path.read_text())
        history = {name: values for name, values in one["history"].items() if name != "time"}
        metrics = {name: value for name, value in one["metrics"].items() if not name.startswith("time")}
        trials.append([one["study"], one["seed"], one["status"], metrics, history, one["acted"]])
        assert one["provenance"]["engine"] == "fleet"
    return trials


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_workers_and_kills_do_not_change_a_bit_of_a_fleets_table(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("peace", "two", "killed")]
    for root in roots:
        root.mkdir()
    finish(start(roots[0]))
    finish(start(roots[1], "study.workers=2"))
    strike(roots[2])
    output = finish(start(roots[2]))
    peace, two, killed = (timeless(root) for root in roots)
    assert len(peace) >= 2 * (5 + 3)  # grids may grow
    assert f"{len(peace)} trials" in output
    assert peace == two
    assert peace == killed


def strike(root: Path) -> None:
    """kill -9 each time that another few results of the study have just been written, within a fleet or between two."""
    for wanted in (1, 6, 12):
        process = start(root)
        end = time.monotonic() + 200
        while len(list((root / "runs").glob("*/*/*/result.json"))) < wanted and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
