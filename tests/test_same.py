"""A technique against itself: what tools/same.py asks and how it counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CONF, script

TOOL = CONF.parent / "tools" / "same.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    return script(TOOL)


def row(verdict: str) -> dict[str, Any]:
    return {"study": 0, "means": [0.9, 0.8], "n": [5, 5], "diff": -0.1, "low": -0.2, "high": 0.0, "verdict": verdict}


def test_verdicts_are_counted(tool: Any) -> None:
    told = tool.lines([row("worse"), row("equal"), row("equal"), row("undecided")])[-1]
    assert told == "1 of 4 studies call the technique different from itself (equal 2, undecided 1, worse 1)."


@pytest.mark.slow
def test_both_cells_are_tuned_and_trained_from_seeds_of_their_own(tmp_path: Path) -> None:
    small = [
        "epochs=2",
        "study.trials=3",
        "study.refine=0",
        "study.seeds=2",
        "study.settle=null",
        "study.most_seeds=null",
    ]
    command = [sys.executable, str(TOOL), "--studies", "2", "--into", str(tmp_path), *small, "data.train_size=200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "of 2 studies call the technique different" in done.stdout, done.stderr
    for number in (0, 1):
        trials = json.loads((tmp_path / "results" / f"same-{number}.json").read_text())["trials"]
        seeds = {name: {t["seed"] for t in trials if t["study"]["cell"]["name"] == name} for name in ("one", "other")}
        assert len(seeds["one"]) == len(seeds["other"]) == 3  # the base seed, and two finals
        assert not seeds["one"] & seeds["other"]
