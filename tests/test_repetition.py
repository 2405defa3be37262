"""Reports held against each other: what tools/repetition.py counts as made again, and as contradicted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import CONF, script
from tests.report.synthetic_results import grid

TOOL = CONF.parent / "tools" / "repetition.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    return script(TOOL)


def write(folder: Path, levels: Mapping[str, float], seed: int, name: str = "optimizers") -> Path:
    cells = {(("optimizer", option),): level for option, level in levels.items()}
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(grid(np.random.default_rng(seed), name, "?", cells, tuning=0)))
    return folder


def test_what_both_say_is_made_again(tool: Any, tmp_path: Path) -> None:
    levels = {"sgd": 0.80, "adam": 0.90, "nadam": 0.9001}
    reports = [tool.read(write(tmp_path / str(seed), levels, seed)) for seed in (1, 2, 3)]
    counts, contradicted, lost = tool.compare(reports)
    # sgd is worse than the best; both others are better than sgd, the default: in each of three, against two
    assert (counts["optimizers"].made, counts["optimizers"].held) == (9, 18)
    assert counts["optimizers"].again == 18
    assert contradicted == lost == []


def test_the_opposite_of_the_same_two_cells_is_a_contradiction(tool: Any, tmp_path: Path) -> None:
    one = tool.read(write(tmp_path / "one", {"sgd": 0.80, "adam": 0.90}, 1))
    other = tool.read(write(tmp_path / "other", {"sgd": 0.90, "adam": 0.80}, 2))
    told, agree = tool.lines([one, other])
    assert not agree
    assert "| all | 4 | 4 | 0 (0%) | 4 |" in told
    assert any("sgd worse than the best (adam)" in line for line in told)


def test_what_the_other_leaves_open_is_neither(tool: Any, tmp_path: Path) -> None:
    one = tool.read(write(tmp_path / "one", {"sgd": 0.80, "adam": 0.90}, 1))
    other = tool.read(write(tmp_path / "other", {"sgd": 0.9, "adam": 0.9001}, 2))
    counts, contradicted, lost = tool.compare([one, other])
    assert (counts["optimizers"].made, counts["optimizers"].again, contradicted) == (2, 0, [])
    assert len(lost) == 2


def test_a_study_that_the_other_did_not_run_counts_for_nothing(tool: Any, tmp_path: Path) -> None:
    levels = {"sgd": 0.80, "adam": 0.90}
    one = tool.read(write(write(tmp_path / "one", levels, 1), levels, 1, "schedules"))
    counts, _, lost = tool.compare([one, tool.read(write(tmp_path / "other", levels, 2))])
    assert (counts["schedules"].made, counts["schedules"].held, lost) == (2, 0, [])


def test_the_command_prints_the_table_and_refuses_what_is_none(tmp_path: Path) -> None:
    levels = {"sgd": 0.80, "adam": 0.90}
    places = [str(write(tmp_path / str(seed), levels, seed)) for seed in (1, 2)]
    done = subprocess.run([sys.executable, str(TOOL), *places], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "| all | 4 | 4 | 4 (100%) | 0 |" in done.stdout
    (tmp_path / "empty").mkdir()
    for wrong in ([places[0]], [places[0], str(tmp_path / "nowhere")], [places[0], str(tmp_path / "empty")]):
        done = subprocess.run([sys.executable, str(TOOL), *wrong], capture_output=True, text=True, timeout=120)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
