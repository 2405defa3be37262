"""Whole studies repeated: on the folds of the data, and with fresh seeds from the tuning on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regimens.core.result import Result, read
from tests.conftest import Asked

TRAIN = Path(__file__).resolve().parents[2] / "src" / "train.py"
WINE = ("data=wine", "optimizer=sgd,adam", "epochs=3", "tune=lr", "study.trials=3", "study.extend=0", "study.refine=0")


def conducted(root: Path, *line: str) -> tuple[dict[str, Any], list[Result], list[Result]]:
    """The table of a study on wine, its tuning trials and its finals."""
    command = [sys.executable, str(TRAIN), "-m", *WINE, "study.seeds=2", "tracking=none", f"paths.root={root}", *line]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    table = json.loads(next((root / "results").glob("*.json")).read_text())
    trials = [[read(one.parent) for one in root.glob(f"runs/**/{p}-*/result.json")] for p in ("tuning", "final")]
    return table, *trials


@pytest.mark.thorough
def test_every_fold_is_tuned_by_itself_and_tests_once(tmp_path: Path) -> None:
    table, tuning, finals = conducted(tmp_path, "study.folds=3")
    assert [row["label"] for row in table["cells"]] == ["optimizer=sgd", "optimizer=adam"]
    for row in table["cells"]:
        assert (row["n"], row["over"], row["n_trials"]) == (3, ["fold"], 3 * (3 + 2))
    assert table["study"]["reference"] == "optimizer=sgd"
    assert table["cells"][1]["vs_default"]["n"] == [3, 3]
    tested = {(one.study or {})["fold"]: one.provenance["data"]["files"]["test.safetensors"] for one in finals}
    assert len(set(tested.values())) == 3 and len(finals) == 12
    assert {(one.study or {})["fold"] for one in tuning} == {0, 1, 2}


@pytest.mark.thorough
def test_a_repetition_is_tuned_anew_with_other_seeds(tmp_path: Path) -> None:
    table, tuning, finals = conducted(tmp_path, "study.repeats=3")
    assert [(row["n"], row["over"][0]) for row in table["cells"]] == [(3, "repeat")] * 2
    assert len({one.seed for one in tuning}) == 3
    assert len({one.seed for one in finals}) == 6


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["study.folds=1"], "study.folds=1: it is a whole number, at least 2"),
        (["study.repeats=0"], "study.repeats=0"),
        (["study.folds=3", "study.mode=search"], "it is for study.mode=compare"),
        (["study.folds=3", "study.over=optimizer"], "give one of them"),
        (["study.folds=3", "data=fashion_mnist"], "brings a test set of its own"),
        (["study.folds=500"], "give 2 to 178 folds"),
        (["study.folds=100"], "no class has so many examples"),
    ],
)
def test_what_cannot_be_repeated_is_refused_in_a_line(ask: Callable[..., Asked], line: list[str], said: str) -> None:
    asked = ask("-m", "data=wine", "optimizer=sgd,adam", *line)
    if any("Fashion-MNIST cannot be had" in one for one in asked.lines):
        pytest.skip("Fashion-MNIST cannot be had: set FASHION_MNIST_DIR")
    assert said in asked.error
