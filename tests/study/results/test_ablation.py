"""What a search found, taken apart: the order of the path, the study that trains it, and what the report says of it."""

import pytest

from regimens.report.ablation import importance, path_answer, path_figure
from regimens.report.tables import read_study
from regimens.study.definition.study import Cell
from regimens.study.results.ablation import path

SEARCH = ("optimizer=sgd,adam,nadam", "scheduler=constant,exp", "tune=lr", "study.mode=search", "study.trials=20")


def test_the_path_takes_the_important_first_and_a_technique_before_its_values():
    axes = {"optimizer": {"sgd": ("optimizer=sgd",), "adam": ("optimizer=adam",)}, "norm": {"batch": ("norm=batch",)}}
    default = {"optimizer": "sgd", "epochs": 3, "optimizer.lr": 0.01}
    best = {"optimizer": "adam", "norm": "batch", "optimizer.lr": 0.00123, "epochs": 3}
    found = path(Cell("search", {}, (), axes=axes, default=default, best=best), {"norm": 0.7, "optimizer": 0.2})
    assert list(found) == ["default", "norm=batch", "optimizer=adam", "optimizer.lr=0.00123"]
    assert found["optimizer.lr=0.00123"] == ["norm=batch", "optimizer=adam", "optimizer.lr=0.00123"]
    assert found["default"] == []


@pytest.mark.thorough
def test_a_search_says_what_mattered_and_its_path_is_re_trained_with_the_same_seeds(room):
    room.run(*SEARCH, "study.name=wide", "study.seeds=3")
    told = room.table("wide")["study"]["importance"]
    assert "optimizer" in told and sum(told.values()) == pytest.approx(1)
    wide = read_study(room.path / "results" / "wide.json")
    figure = importance(wide)
    assert figure is not None and "20 tuning trials" in figure.caption
    output = room.run("study.mode=ablate", "study.of=wide", "study.name=steps", "study.seeds=3")
    table = room.table("steps")
    labels = [cell["cell"]["step"] for cell in table["cells"]]
    assert labels[0] == "default" and len(labels) > 1
    seeds = {tuple(t["seed"] for t in table["trials"] if t["study"]["cell"]["step"] == label) for label in labels}
    assert len(seeds) == 1 and len(next(iter(seeds))) == 3
    before = [cell["vs_previous"] and cell["vs_previous"]["against"] for cell in table["cells"]]
    assert before == [None, *(f"step={label}" for label in labels[:-1])]
    last = table["trials"][-1]["regimen"]["optimizer"]
    best = next(cell for cell in room.table("wide")["cells"] if cell["label"] == "search")["best_params"]
    assert last["name"].lower() == best["optimizer"] and last["lr"] == best["optimizer.lr"]
    steps = read_study(room.path / "results" / "steps.json")
    drawn, said = path_figure(steps), path_answer(steps)
    assert drawn is not None and [row[0] for row in drawn.rows] == [cell.label for cell in steps.cells]
    assert said is not None and f"found: {said}"[:60] in output


@pytest.mark.thorough
def test_what_there_is_to_take_apart_is_named(room):
    for line, wrong in (
        (["study.mode=ablate"], "study.of names the search"),
        (["study.mode=ablate", "study.of=nothing"], "study.of=nothing: no search of this name"),
        (["study.of=wide", "optimizer=sgd,adam"], "study.of=wide: it is for study.mode=ablate"),
    ):
        output = room.run(*line, status=2)
        assert wrong in output and len(output.splitlines()) == 1


@pytest.mark.thorough
def test_a_search_that_is_not_finished_has_no_path(room):
    room.run(*SEARCH, "study.name=wide")
    for one in room.directory.glob("search/final-0/result.json"):
        one.unlink()
    definition = room.directory / "study.json"
    definition.write_text(definition.read_text().replace('"complete": true', '"complete": false'))
    assert "is not finished" in room.run("study.mode=ablate", "study.of=wide", status=2)
