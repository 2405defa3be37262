"""Trials of other code: said before training, trained anew or, where asked, taken over and marked in every table."""

import csv
import json
import shutil

import pytest

from regimens.report.evidence import other_code
from regimens.report.tables import Study
from tests.study.conftest import FAKE, SRC


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """Where the code is that differs in one file that moves numbers: the variables of a command with it."""
    source = tmp_path_factory.mktemp("edited") / "src"
    shutil.copytree(SRC, source, ignore=shutil.ignore_patterns("__pycache__"))
    with (source / "regimens" / "nets" / "mlp.py").open("a") as file:
        file.write("\n# edited\n")
    return {"PYTHONPATH": f"{FAKE}:{source}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.thorough
def test_what_other_code_trained_is_said_before_it_is_trained_anew(finished, uninterrupted, edited):
    before = finished.directory.name
    output = finished.run("study=optimizers", **edited)
    (line,) = [line for line in output.splitlines() if "other code" in line]
    assert line.startswith(f"note: {before}: ") and "study.code=any takes them over" in line
    assert "revision" in line and "changed: nets/mlp.py)" in line
    assert output.index(line) < output.index("[1/")
    assert finished.cells() == uninterrupted and len(finished.trained) == 2 * 21
    assert "other code" not in finished.run("study=optimizers", **edited)


@pytest.mark.thorough
def test_what_is_taken_over_as_it_is_is_said_in_every_table(finished, edited):
    output = finished.run("study=optimizers", "study.code=any", "study.seeds=4", **edited)
    assert "taken over as they are (study.code=any)" in output
    assert "21 by other code (revision " in output.splitlines()[-1]
    assert len(finished.trained) == 21 + 3
    table = finished.table()
    assert list(table["study"]["other_code"].values()) == [21]
    assert [cell["n_other_code"] for cell in table["cells"]] == [7, 7, 7]
    rows = list(csv.DictReader((finished.path / "results" / "optimizers.csv").read_text().splitlines()))
    assert [bool(row["other_code"]) for row in rows] == [
        row["number"] != "3" or row["phase"] == "tuning" for row in rows
    ]
    assert "n_other_code" in (finished.path / "results" / "optimizers.cells.csv").read_text()
    (told,) = other_code(Study("optimizers", about=table["study"]))
    assert told.startswith("21 trials by other code (revision ")


def test_a_study_of_one_code_says_nothing_of_others(finished):
    table = finished.table()
    assert table["study"]["other_code"] is None
    assert "other_code" not in (finished.path / "results" / "optimizers.csv").read_text()


@pytest.mark.thorough
def test_a_name_of_one_s_own_keeps_its_code(room, edited):
    room.run("optimizer=adam,sgd", "study.name=mine")
    output = room.run("optimizer=adam,sgd", "study.name=mine", status=2, **edited)
    assert "changed: nets/mlp.py; under another name study.code=any takes its trials over" in output
    assert len(room.trained) == 2
    room.run("optimizer=adam,sgd", "study.name=other", "study.code=any", **edited)
    assert len(room.trained) == 2


@pytest.mark.thorough
def test_a_trial_that_broke_is_none_that_other_code_has(room, edited):
    fault = "advice.fault={kind: raise, phase: final, number: 0}"
    room.run("optimizer=adam,sgd", fault, status=1)
    assert "other code" not in room.run("optimizer=adam,sgd", fault, status=1, **edited)
    assert {json.loads(path.read_text())["status"] for path in room.path.glob("runs/*/*/*/result.json")} == {"failed"}
