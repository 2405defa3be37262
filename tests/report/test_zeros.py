"""The share of weights near zero against what a network does."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regimens.report.palette import Palette
from regimens.report.tables import Study, read_study
from regimens.report.zeros import zeros_answer, zeros_figure

NEAR = {"none": 0.01, "0.001": 0.98, "0.0001": 0.58}


def study(tmp_path: Path, *, exact: float = 0.0, probed: bool = True) -> Study:
    trials: list[dict[str, Any]] = []
    for label, near in NEAR.items():
        for seed in (1, 2):
            metrics = {"test/accuracy": 0.9 - near / 100 + seed / 1000}
            if probed:
                metrics |= {"zeros/near_share": near, "zeros/exact_share": exact * near}
                metrics |= {"test/pruned_accuracy": metrics["test/accuracy"] - near / 1000}
            place = {"cell": {"l1": label}, "phase": "final"}
            trials.append({"status": "completed", "seed": seed, "study": place, "metrics": metrics})
    rows = [
        {"cell": {"l1": label}, "label": f"l1={label}", "n": 2, "mean": 0.9 - near / 100}
        for label, near in NEAR.items()
    ]
    path = tmp_path / "sparse.json"
    about = {"metric": "val/accuracy", "final_metric": "test/accuracy", "margin": 0.005}
    path.write_text(json.dumps({"study": about, "cells": rows, "trials": trials}))
    return read_study(path)


def test_the_answer_goes_from_the_densest_to_the_sparsest(tmp_path: Path) -> None:
    said = zeros_answer(study(tmp_path))
    assert said is not None
    places = [said.index(text) for text in ("1% with no l1", "58% with", "98% with")]
    assert places == sorted(places)
    assert "changes it by −0.10 pts with l1=0.001" in said and said.endswith("None ends at zero itself.")


def test_weights_that_are_exactly_zero_are_told(tmp_path: Path) -> None:
    said = zeros_answer(study(tmp_path, exact=0.5))
    assert said is not None and "Exactly zero are 49.0% at most." in said


def test_every_final_is_in_the_figures_data(tmp_path: Path) -> None:
    told = study(tmp_path)
    figure = zeros_figure(told, Palette([told]))
    assert figure is not None
    assert [row[:3] for row in figure.rows if row[0] == "l1=0.001"] == [("l1=0.001", 1, 0.98), ("l1=0.001", 2, 0.98)]
    assert all(row[5] == pytest.approx(row[4] - row[2] / 1000) for row in figure.rows)


def test_cells_whose_finals_are_gone_are_left_out(tmp_path: Path) -> None:
    told = study(tmp_path)
    lost = Study("sparse", told.about, tuple(replace(cell, trials=()) for cell in told.cells))
    assert zeros_answer(lost) is None and zeros_figure(lost, Palette([lost])) is None


def test_without_the_probe_nothing_is_said(tmp_path: Path) -> None:
    told = study(tmp_path, probed=False)
    assert zeros_answer(told) is None and zeros_figure(told, Palette([told])) is None
