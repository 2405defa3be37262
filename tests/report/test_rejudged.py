"""Tables of earlier versions are judged anew from their trials."""

import json
from pathlib import Path

import pytest

from regimens.report.answers import answer
from regimens.report.palette import Palette
from regimens.report.rejudged import rejudged
from regimens.report.sections import section
from regimens.report.tables import read_study
from tests.report.conftest import ROOT

STATISTICS = ("statistics", "margin", "level", "pooled_sd", "detectable", "images", "winner", "interaction")


def test_a_table_of_an_earlier_version_is_answered_as_if_it_were_of_this_one(results: Path, tmp_path: Path) -> None:
    table = json.loads((results / "optimizers.json").read_text())
    old = {**table, "study": {key: v for key, v in table["study"].items() if key not in STATISTICS}}
    of_before = {"diff": -0.5, "p_holm": 0.001}
    old["cells"] = [
        {**row, "ci_low": 0.1, "ci_high": 0.2, "vs_best": of_before, "vs_default": of_before} for row in table["cells"]
    ]
    (tmp_path / "optimizers.json").write_text(json.dumps(old))
    study = read_study(tmp_path / "optimizers.json")
    assert study.problem is None
    for cell, row in zip(study.cells, table["cells"], strict=True):
        assert (cell.row["mean"], cell.row["ci_low"]) == pytest.approx((row["mean"], row["ci_low"]))
        if row["vs_best"]:
            assert cell.row["vs_best"]["ci_low"] == pytest.approx(row["vs_best"]["ci_low"])
    # it stated no margin, so that what is equal in the new table is undecided here
    assert "equal" not in answer(study) and "undecided" in answer(study)


def test_a_table_of_this_version_is_not_touched(results: Path) -> None:
    table = json.loads((results / "optimizers.json").read_text())
    table["cells"][0]["mean"] = 0.123
    assert rejudged(table) == table


def test_a_cell_below_what_it_contains_stays_under_tuned_and_an_early_look_strict() -> None:
    def trial(norm: str, seed: int, value: float) -> dict[str, object]:
        where = {"cell": {"norm": norm}, "phase": "final"}
        return {"status": "completed", "seed": seed, "study": where, "metrics": {"val/accuracy": value}}

    values = {"none": (0.90, 0.91, 0.92, 0.90), "batch": (0.80, 0.81, 0.80, 0.82)}
    rows: list[dict[str, object]] = [{"cell": {"norm": name}, "label": f"norm={name}"} for name in values]
    rows[1]["contains"] = "norm=none"
    trials = [trial(name, k, one) for name, found in values.items() for k, one in enumerate(found)]
    once, early = (
        rejudged({"study": about, "cells": rows, "trials": trials}) for about in ({}, {"look": 1, "looks": 4})
    )
    assert once["cells"][1]["vs_best"]["verdict"] == "under-tuned"
    assert once["cells"][1]["vs_contained"]["verdict"] == "worse"
    widths = [told["cells"][1]["vs_best"]["ci_high"] - told["cells"][1]["vs_best"]["ci_low"] for told in (once, early)]
    assert widths[1] > 1.5 * widths[0]


def test_a_cell_whose_finals_miss_what_its_tuning_found_is_under_tuned() -> None:
    def trials(clip: str, phase: str, *values: float) -> list[dict[str, object]]:
        where = {"cell": {"clip": clip}, "phase": phase}
        return [
            {"status": "completed", "seed": seed, "study": where, "metrics": {"val/accuracy": value}}
            for seed, value in enumerate(values)
        ]

    rows = [{"cell": {"clip": name}, "label": f"clip={name}"} for name in ("value", "norm")]
    tried = [*trials("value", "tuning", 0.8, 0.85, 0.8), *trials("norm", "tuning", 0.82, 0.8, 0.8, 0.1)]
    finals = [*trials("value", "final", 0.85, 0.84, 0.85), *trials("norm", "final", 0.09, 0.1, 0.09)]
    told = rejudged({"study": {"margin": 0.005}, "cells": rows, "trials": [*tried, *finals]})["cells"]
    assert [row["falls_short"] for row in told] == [None, {"tuning": 0.8, "finals": 0.1}]
    assert told[1]["vs_best"]["verdict"] == "under-tuned"
    for one in finals:  # repetitions of the tuning choose a value each
        one["study"] = {**one["study"], "repeat": 0}  # type: ignore[dict-item]
    again = rejudged({"study": {"margin": 0.005}, "cells": rows, "trials": [*tried, *finals]})["cells"]
    assert [row["falls_short"] for row in again] == [None, None]


@pytest.mark.thorough
def test_what_was_kept_of_the_published_numbers_is_still_read() -> None:
    study = read_study(ROOT / "reports" / "parity" / "parity.json")
    assert study.problem is None
    assert "of 20 published numbers" in section(study, Palette([study]), {}).answer
    assert all(cell.row["n"] == len(cell.finals) for cell in study.cells)


def test_each_problem_keeps_its_own_reference() -> None:
    rows, trials = [], []
    for data in ("digits", "wine"):
        for name, level in (("sgd", 0.8), ("adam", 0.9)):
            cell = {"data": data, "optimizer": name}
            other = None if name == "sgd" else {"against": f"{data} sgd"}
            rows.append({"cell": cell, "label": f"{data} {name}", "vs_default": other})
            trials += [
                {"status": "completed", "seed": k, "study": {"cell": cell, "phase": "final"},
                 "metrics": {"val/accuracy": level + k / 1000}, "provenance": {"data": {"dataset": data}}}
                for k in range(3)
            ]  # fmt: skip
    told = rejudged({"study": {"reference": "digits sgd"}, "cells": rows, "trials": trials})["cells"]
    found = [row["vs_default"] and (row["vs_default"]["against"], row["vs_default"]["verdict"]) for row in told]
    assert found == [None, ("digits sgd", "better"), None, ("wine sgd", "better")]


def test_a_cell_without_trials_keeps_its_row() -> None:
    row = {"cell": {"norm": "batch"}, "label": "norm=batch", "n": 3, "mean": 0.8}
    trial = {"status": "completed", "seed": 1, "study": {"cell": {"norm": "none"}}, "metrics": {"val/accuracy": 0.9}}
    other = {"cell": {"norm": "none"}, "label": "norm=none"}
    told = rejudged({"study": {}, "cells": [row, other], "trials": [trial]})
    assert (told["cells"][0]["mean"], told["cells"][0]["vs_best"]) == (0.8, None)
    assert (told["cells"][1]["mean"], told["cells"][1]["n"]) == (0.9, 1)
