"""Optuna's dashboard over result files: all cells of a study in one, with the compared axes as parameters."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from regimens.core.result import Result, write
from regimens.tracking.optuna_view import View, space

QUALITY = {"sgd": 0.5, "adam": 0.9}


def put(folder: Path, cell: str, phase: str, number: int, status: str = "completed") -> Path:
    """Write one trial of a study, whose accuracy hangs on the optimiser and a little on the rate."""
    rate = 0.001 * 10**number
    value = QUALITY[cell] - 0.01 * number
    about = {"name": "o", "id": "0123abcd", "cell": {"optimizer": cell}, "phase": phase, "number": number}
    metrics = {"val/accuracy": value} | ({"test/accuracy": value - 0.1} if phase == "final" else {})
    result = Result(
        status, "o", 100 + number, {}, "0" * 64, study={**about, "params": {"optimizer.lr": rate}},
        metrics=metrics if status == "completed" else {},
        history={"epoch": [1, 2], "val/accuracy": [value - 0.2, value]},
        durations={"train": 2.5}, provenance={"started": "2026-01-01T00:00:00+00:00"},
    )  # fmt: skip
    place = folder / f"optimizer={cell}" / f"{phase}-{number}"
    write(result, place)
    return place


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "o-0123abcd"
    cells: list[dict[str, Any]] = [
        {"values": {"optimizer": cell}, "default": {"optimizer.lr": 0.01}} for cell in QUALITY
    ]
    told = {"name": "o", "id": "0123abcd", "question": "Which?", "objectives": [["val/accuracy", "maximize"]]}
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({**told, "cells": cells}))
    for cell in QUALITY:
        for number in range(3):
            put(folder, cell, "tuning", number)
            put(folder, cell, "final", number)
    return tmp_path / "runs"


def study(view: View, name: str) -> optuna.Study:
    return optuna.load_study(study_name=f"o 0123: {name}", storage=view.storage)


def test_all_cells_are_one_study_and_each_is_one_too(runs: Path) -> None:
    view = View(runs)
    view.update()
    names = [one.study_name for one in view.storage.get_all_studies()]
    assert set(names[:2]) == {"o 0123: tuning of all cells", "o 0123: finals of all cells"}
    assert set(names[2:]) == {"o 0123: tuning of sgd", "o 0123: tuning of adam"}
    everything = study(view, "tuning of all cells")
    assert everything.best_trial.params == {"optimizer": "adam", "optimizer.lr": 0.001}
    assert everything.best_trial.intermediate_values == pytest.approx({1: 0.7, 2: 0.9})
    importances = get_param_importances(everything, evaluator=FanovaImportanceEvaluator(seed=0))
    assert set(importances) == {"optimizer", "optimizer.lr"}
    assert importances["optimizer"] > 0.8
    finals = study(view, "finals of all cells")
    assert finals.best_value == pytest.approx(0.8)  # of the test set
    assert set(finals.best_trial.params) == {"optimizer", "seed"}


def test_it_follows_the_files_and_changes_nothing_else(runs: Path) -> None:
    view = View(runs)
    view.update()
    before = {one.study_name: one._study_id for one in view.storage.get_all_studies()}
    put(runs / "o-0123abcd", "adam", "tuning", 3, status="diverged")
    (runs / "o-0123abcd" / "optimizer=sgd" / "final-9").mkdir()
    (runs / "o-0123abcd" / "optimizer=sgd" / "final-9" / "result.json").write_text("{")
    view.update()
    assert [trial.state for trial in study(view, "tuning of adam").trials][-1] == TrialState.FAIL
    after = {one.study_name: one._study_id for one in view.storage.get_all_studies()}
    assert after["o 0123: finals of all cells"] == before["o 0123: finals of all cells"]
    count = len(study(view, "finals of all cells").trials)
    gone = runs / "o-0123abcd" / "optimizer=sgd" / "final-0"
    gone.rename(gone.with_name("final-0.replaced-1"))
    view.update()
    assert len(study(view, "finals of all cells").trials) == count - 1


def test_one_study_by_itself_and_a_folder_that_is_none(runs: Path, tmp_path: Path) -> None:
    view = View(runs / "o-0123abcd")
    view.update()
    assert len(view.storage.get_all_studies()) == 4
    nothing = View(tmp_path / "nowhere")
    nothing.update()
    assert nothing.storage.get_all_studies() == []


def test_a_parameter_is_from_a_range_or_from_choices() -> None:
    assert space([0.001, 0.1, 0.01]) == FloatDistribution(0.001, 0.1, log=True)
    assert space([0.1, 0.2]) == FloatDistribution(0.1, 0.2)
    assert space([2, 5, 20]) == IntDistribution(2, 20, log=True)
    assert space([0, 5]) == IntDistribution(0, 5)
    assert space([True, False]) == CategoricalDistribution([True, False])
    assert space(["a", None, 1]) == CategoricalDistribution(["a", None, 1])
