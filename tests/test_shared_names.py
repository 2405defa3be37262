"""Which trials of declared studies are the same: what tools/shared_names.py lists and counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CONF, script

TOOL = CONF.parent / "tools" / "shared_names.py"


@pytest.fixture(scope="module")
def tool() -> Any:
    return script(TOOL)


def test_names_that_occur_again_are_counted_once(tool: Any) -> None:
    told = tool.lines({"one": ["a", "b", "c"], "other": ["c", "d"], "third": ["a", "c"]})
    assert told[2:5] == ["| one | 3 | 0 |", "| other | 2 | 1 |", "| third | 2 | 2 |"]
    assert told[-1] == (
        "3 studies list 7 trials, which are 4 distinct ones: 3 (42.9%) are taken over instead of trained."
    )


@pytest.mark.thorough
def test_a_study_shares_with_another_the_cells_that_both_have(tool: Any, digits_cache: Path) -> None:
    small = ["data=digits", "scale=smoke", f"paths.data={digits_cache}", "tracking=none", "epochs=2"]
    named = tool.declared(["optimizers", "normalization"], [*small, "init=he_normal", "activation=relu"])
    assert len(named["optimizers"]) == 9 * len(named["normalization"]) / 5  # as many for each cell
    shared = set(named["optimizers"]) & set(named["normalization"])
    assert len(shared) == len(named["normalization"]) / 5  # of sgd without normalisation
    assert all(len(set(names)) == len(names) for names in named.values())


def test_finished_tables_say_what_was_asked_for(tool: Any, tmp_path: Path) -> None:
    for study, names in (("one", "abc"), ("other", "cd")):
        trials = [{"trial": {"content": name, "code": "x"}} for name in names]
        (tmp_path / f"{study}.json").write_text(json.dumps({"trials": trials}))
    assert tool.tables(tmp_path) == {"one": ["a", "b", "c"], "other": ["c", "d"]}
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, str(TOOL), "--results", str(tmp_path / "empty")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
