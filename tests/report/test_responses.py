"""The metric against what was tuned."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from regimens.report.palette import Palette
from regimens.report.responses import _limits, along, responses
from regimens.report.tables import Study, read_study

RATES = (0.001, 0.01, 0.1, 1.0)


def trial(name: str, phase: str, params: dict[str, float], value: float | None, seed: int = 1) -> dict[str, Any]:
    status, metrics = ("diverged", {}) if value is None else ("completed", {"val/accuracy": value})
    place = {"cell": {"optimizer": name}, "phase": phase, "params": params}
    return {"status": status, "seed": seed, "study": place, "metrics": metrics}


def study(tmp_path: Path, trials: list[dict[str, Any]], **about: Any) -> Study:
    names = dict.fromkeys(t["study"]["cell"]["optimizer"] for t in trials)
    rows = [{"cell": {"optimizer": name}, "label": f"optimizer={name}"} for name in names]
    path = tmp_path / "tuned.json"
    path.write_text(
        json.dumps({"study": {"metric": "val/accuracy", "margin": 0.005, **about}, "cells": rows, "trials": trials})
    )
    return read_study(path)


def tuned(name: str, at: float, last: float | None = 0.2) -> list[dict[str, Any]]:
    """A parabola in the logarithm of the rate with its summit at 10 ** at; at the last rate, `last`."""
    values = [0.8 - 0.05 * (math.log10(rate) - at) ** 2 for rate in RATES[:-1]]
    points = [trial(name, "tuning", {"optimizer.lr": r}, v) for r, v in zip(RATES, [*values, last], strict=True)]
    return [*points, *(trial(name, "final", {"optimizer.lr": 10**at}, 0.8, seed) for seed in (5, 6, 7))]


def test_every_trial_is_there_and_the_curve_has_its_summit_where_the_finals_are(tmp_path: Path) -> None:
    told = study(tmp_path, [*tuned("sgd", -1.8), *tuned("adam", -2.3, None)])
    found = {one.cell.label: one for one in along(told)["optimizer.lr"]}
    assert [x for x, _ in found["adam"].tried] == list(RATES)
    assert found["adam"].tried[-1] == (1.0, None)
    for name, at in (("sgd", -1.8), ("adam", -2.3)):
        curve = found[name].curve
        assert curve is not None
        assert curve.low < curve.summit < curve.high and curve.summit == pytest.approx(at, abs=0.3)
        assert {x for x, _ in found[name].finals} == {10**at}


def test_the_figure_draws_them_and_its_data_hold_them(tmp_path: Path) -> None:
    told = study(tmp_path, [*tuned("sgd", -1.8), *tuned("adam", -2.3, None)])
    figure = responses(told, Palette([told]))
    assert figure is not None
    assert figure.title == "Learning rate: what was tuned"
    assert ("adam", "optimizer.lr", 1.0, "tuning", None) in figure.rows
    assert sum(row[3] == "final" for row in figure.rows) == 6
    assert "n=3" in figure.caption and "4 per cell, one seed)" in figure.caption


def test_what_was_tried_again_from_other_seeds_is_drawn_and_said(tmp_path: Path) -> None:
    again = [trial("adam", "tuning", {"optimizer.lr": 0.01}, value, seed) for value, seed in ((0.8, 8), (0.1, 9))]
    told = study(tmp_path, [*tuned("sgd", -1.8), *tuned("adam", -2.3, None), *again])
    figure = responses(told, Palette([told]))
    assert figure is not None and "4 to 6 per cell, one seed, and two more where training fails" in figure.caption
    assert [row[4] for row in figure.rows if row[:4] == ("adam", "optimizer.lr", 0.01, "tuning")][1:] == [0.8, 0.1]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_best_points_are_in_the_picture(tmp_path: Path, direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    points = zip(RATES, (0.6, 0.79, 0.795, 0.5), strict=True)
    trials = [trial("sgd", "tuning", {"optimizer.lr": rate}, sign * value) for rate, value in points]
    shown = along(study(tmp_path, trials, direction=direction))["optimizer.lr"]
    low, high = _limits(shown, maximize=direction == "maximize")
    assert low < sign * 0.79 < high and low < sign * 0.795 < high


def test_less_is_better_where_the_study_says_so(tmp_path: Path) -> None:
    trials = tuned("sgd", -1.8)
    for one in trials:
        one["metrics"] = {"val/loss": 1 - one["metrics"]["val/accuracy"]}
    told = study(tmp_path, trials, metric="val/loss", direction="minimize")
    (response,) = along(told)["optimizer.lr"]
    assert response.curve is not None
    assert response.curve.summit == pytest.approx(-1.8, abs=0.3)


def test_of_two_values_each_has_the_trials_that_held_the_other(tmp_path: Path) -> None:
    first = [trial("sgd", "tuning", {"a": x, "b": 1.0}, 0.5 + x / 10) for x in (1.0, 2.0, 3.0)]
    second = [trial("sgd", "tuning", {"a": 3.0, "b": x}, 0.5 + x / 20) for x in (2.0, 3.0, 4.0)]
    found = along(study(tmp_path, first + second))
    assert [x for x, _ in found["a"][0].tried] == [1.0, 2.0, 3.0]
    assert [x for x, _ in found["b"][0].tried] == [1.0, 2.0, 3.0, 4.0]


def test_two_values_are_no_curve_and_what_is_not_tuned_has_no_figure(tmp_path: Path) -> None:
    told = study(tmp_path, [trial("sgd", "tuning", {"optimizer.lr": x}, 0.8) for x in (0.1, 1.0)])
    assert along(told) == {}
    assert responses(told, Palette([told])) is None


def test_a_cell_each_of_whose_trials_diverged_has_no_curve_and_stops_no_report(tmp_path: Path) -> None:
    lost = [trial("nadam", "tuning", {"optimizer.lr": rate}, None) for rate in RATES]
    told = study(tmp_path, [*tuned("sgd", -1.8), *lost])
    assert [one.cell.label for one in along(told)["optimizer.lr"]] == ["sgd"]
    assert responses(told, Palette([told])) is not None


def test_a_value_tried_twice_of_which_one_diverged_is_drawn(tmp_path: Path) -> None:
    again = trial("sgd", "tuning", {"optimizer.lr": RATES[1]}, None, seed=2)
    (found,) = along(study(tmp_path, [*tuned("sgd", -1.8), again]))["optimizer.lr"]
    assert [y is None for x, y in found.tried if x == RATES[1]].count(True) == 1
