"""Several problems as one question: `study.over`."""

import pytest

from regimens.report.palette import Palette
from regimens.report.ranks import critical_difference, ranks_table
from regimens.report.sections import said, section
from regimens.report.tables import read_study

ASKED = ("optimizer=sgd,adam,nadam", "scheduler=constant,exp", "study.over=scheduler", "study.seeds=3")


@pytest.mark.thorough
def test_the_values_of_one_axis_are_problems_over_which_the_other_is_ranked(room):
    output = room.run(*ASKED)
    told = room.table("adhoc")["study"]["ranks"]
    assert told["axis"] == "scheduler" and list(told["values"]) == ["constant", "exp"]
    assert sum(told["mean"].values()) == 6  # 1 + 2 + 3
    assert set(told["vs_default"]) == {"optimizer=adam", "optimizer=nadam"}
    assert all(one["n"] == 2 and one["ci_low"] <= one["diff"] <= one["ci_high"] for one in told["vs_default"].values())
    assert "found: Over 2 values of scheduler, optimizer=" in output
    study = read_study(next((room.path / "results").glob("*.json")))
    assert said(study) in section(study, Palette([study]), {}).answer
    figure, table = critical_difference(study), ranks_table(study)
    assert figure is not None and "n=2" in figure.caption and len(figure.rows) == 3
    assert table is not None and table.columns == (
        "scheduler",
        "constant",
        "exp",
        "mean rank",
        "minus the default, mean",
    )


@pytest.mark.thorough
def test_each_problem_has_the_reference_s_like(room):
    room.run(*ASKED)
    against = {c["label"]: c["vs_default"] and c["vs_default"]["against"] for c in room.table("adhoc")["cells"]}
    # all were tested on the same examples here, so one reference holds for all
    assert set(against.values()) - {None} == {"optimizer=sgd,scheduler=constant"}


@pytest.mark.thorough
def test_what_is_asked_over_has_to_be_compared_beside_something(room):
    for line in (["optimizer=sgd,adam", "study.over=data"], ["optimizer=sgd,adam", "study.over=optimizer"]):
        output = room.run(*line, status=2)
        assert output.startswith("error: study.over=") and len(output.splitlines()) == 1
