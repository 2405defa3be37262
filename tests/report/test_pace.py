"""How long an epoch takes is told as an interval, and as a difference only where there is one."""

import json
from pathlib import Path
from statistics import median

import pytest

from regimens.report.answers import answer
from regimens.report.cells import cell_table
from regimens.report.pace import pace, slowest
from regimens.report.tables import Study, read_study
from regimens.stats.rows import SCHEMA

WORSE = {"against": "activation=relu", "diff": -0.02, "ci_low": -0.03, "ci_high": -0.01, "verdict": "worse"}
RELU = (0.30, 0.31, 0.32, 0.31, 0.30, 0.33)


def timed(tmp_path: Path, engines: dict[str, str] | None = None, **cells: tuple[float, ...]) -> Study:
    """A study of activations, `relu` its reference, whose finals took so many seconds an epoch."""
    rows = [
        {"cell": {"activation": name}, "label": f"activation={name}", "n": len(took), "mean": 0.9, "ci_low": 0.89,
         "ci_high": 0.91, "best": name == "relu", "vs_best": None if name == "relu" else WORSE}
        for name, took in cells.items()
    ]  # fmt: skip
    trials = [
        {"seed": k, "status": "completed", "metrics": {"test/accuracy": 0.9},
         "history": {"time": [5 + one, 5 + 2 * one, 5 + 3 * one]},  # 5 s of start-up
         "provenance": {"engine": (engines or {}).get(name, "eager")},
         "study": {"cell": {"activation": name}, "phase": "final", "number": k, "params": {}}}
        for name, took in cells.items() for k, one in enumerate(took)
    ]  # fmt: skip
    said = {
        "metric": "val/accuracy",
        "final_metric": "test/accuracy",
        "statistics": SCHEMA,
        "reference": "activation=relu",
    }
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"study": said, "cells": rows, "trials": trials}))
    return read_study(path)


def test_an_epochs_seconds_are_a_median_that_one_disturbance_does_not_move(tmp_path: Path) -> None:
    quiet, disturbed = (timed(tmp_path, relu=(*RELU[:5], last)) for last in (RELU[5], 30.0))
    one, other = pace(quiet.cells[0]), pace(disturbed.cells[0])
    assert one is not None and other is not None
    assert one.seconds == pytest.approx(median(RELU)) == other.seconds
    # Of six values the median lies between the smallest and the largest in 1 - 2 / 2^6 of all samples.
    assert one.interval == pytest.approx((min(RELU), max(RELU)))
    assert str(one) == "0.31 [0.3, 0.33]"


def test_few_finals_have_no_interval_and_none_no_time(tmp_path: Path) -> None:
    told = pace(timed(tmp_path, relu=RELU[:3]).cells[0])
    assert told is not None and told.interval is None and str(told) == "0.31"
    fleet = timed(tmp_path, {"relu": "fleet"}, relu=RELU)  # whose members have one time together
    assert pace(fleet.cells[0]) is None


def test_a_slower_cell_is_told_with_both_times(tmp_path: Path) -> None:
    slow = timed(tmp_path, relu=RELU, elu=tuple(1.5 * one for one in RELU), selu=RELU)
    told = "An epoch takes 1.5 times as long with elu as with relu (0.465 [0.45, 0.495] s and 0.31 [0.3, 0.33] s, n=6)."
    assert told in answer(slow)
    table = cell_table(slow)
    assert [row[table.columns.index("s an epoch")] for row in table.rows if row[0] == "elu"] == ["0.465 [0.45, 0.495]"]


@pytest.mark.parametrize("elu", [tuple(1.05 * one for one in RELU), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7), (0.5, 0.6)])
def test_what_is_hardly_or_perhaps_not_slower_is_not_called_so(tmp_path: Path, elu: tuple[float, ...]) -> None:
    assert slowest(timed(tmp_path, relu=RELU, elu=elu)) == ""


def test_times_of_different_engines_are_not_compared(tmp_path: Path) -> None:
    slow = tuple(3 * one for one in RELU)
    assert slowest(timed(tmp_path, relu=RELU, elu=slow)) != ""
    assert slowest(timed(tmp_path, {"elu": "compiled"}, relu=RELU, elu=slow)) == ""
