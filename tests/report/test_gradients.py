"""Which of the deepest networks learns best: tested among these, not read off their order."""

import json
from pathlib import Path
from typing import Any

import pytest

from regimens.report.gradients import depth_answer
from regimens.report.tables import Study, read_study


def study(tmp_path: Path, deep: dict[str, list[float]]) -> Study:
    """Two layers and four of each recipe; the finals of the deep ones as given."""
    trials: list[dict[str, Any]] = []
    for recipe, values in deep.items():
        for layers, found in ((2, [0.99, 0.98, 0.97]), (4, values)):
            flow = {"gradient_norm": [[0.001, *[0.1] * (layers - 1), 0.2]]}
            for seed, value in enumerate(found):
                place = {"cell": {"recipe": recipe, "layers": layers}, "phase": "final"}
                metrics = {"test/accuracy": value}
                trials.append(
                    {"status": "completed", "seed": seed, "study": place, "metrics": metrics, "gradient_flow": flow}
                )
    rows = [
        {"cell": {"recipe": recipe, "layers": layers}, "label": recipe, "n": 3, "mean": sum(found) / len(found)}
        for recipe, values in deep.items()
        for layers, found in ((2, [0.98]), (4, values))
    ]
    about = {"metric": "val/accuracy", "final_metric": "test/accuracy", "margin": 0.005}
    path = tmp_path / "depth.json"
    path.write_text(json.dumps({"study": about, "cells": rows, "trials": trials}))
    return read_study(path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([0.60, 0.61, 0.62], "selu does better than relu (−20.0"),
        ([0.70, 0.79, 0.88], "undecided against selu: relu"),
    ],
)
def test_which_goes_deeper_is_tested(tmp_path: Path, other: list[float], said: str) -> None:
    answer = depth_answer(study(tmp_path, {"selu": [0.80, 0.81, 0.82], "relu": other}))
    assert answer is not None and answer.startswith("With 4 hidden layers, test accuracy is selu 81.0%")
    assert f"Tested at this depth, {said}" in answer
