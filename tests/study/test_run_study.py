"""What the commands of a study mean."""

import csv
import json
import math

import pytest

from regimens.report.rejudged import rejudged


@pytest.mark.thorough
def test_choices_span_a_grid_and_nothing_else_is_trained(room):
    output = room.run("optimizer=adam,nadam", "scheduler=exp")
    table = room.table("adhoc")
    assert [cell["cell"] for cell in table["cells"]] == [{"optimizer": "adam"}, {"optimizer": "nadam"}]
    assert [trial["study"]["phase"] for trial in table["trials"]] == ["final", "final"]
    assert {trial["seed"] for trial in table["trials"]} == {42}
    assert output.splitlines()[-1].startswith("adhoc") and "2 trials: 2 completed" in output.splitlines()[-1]


@pytest.mark.thorough
def test_intervals_are_tuned_inside_each_cell_then_finals_share_fresh_seeds(room):
    interval = "optimizer.lr=tag(log,interval(0.0001,0.1))"
    room.run("optimizer=adam,nadam", interval, "study.trials=4", "study.seeds=2")
    trials = room.table("adhoc")["trials"]
    for name in ("adam", "nadam"):
        own = [trial for trial in trials if trial["study"]["cell"] == {"optimizer": name}]
        tuning = [trial for trial in own if trial["study"]["phase"] == "tuning"]
        finals = [trial for trial in own if trial["study"]["phase"] == "final"]
        rates = [trial["study"]["params"]["optimizer.lr"] for trial in tuning]
        assert rates == [0.0001, 0.001, 0.01, 0.1, 0.003162, 0.03162]  # one grid for all cells, finer around its best
        assert {trial["seed"] for trial in tuning} == {42}
        assert len(finals) == 2 and 42 not in {trial["seed"] for trial in finals}
        # the response is the same on both sides of its summit
        assert {round(math.log10(final["study"]["params"]["optimizer.lr"]), 1) for final in finals} == {-2.0}
        assert all("test/accuracy" in trial["metrics"] for trial in finals)
        assert not any("test/accuracy" in trial["metrics"] for trial in tuning)
    seeds = [t["seed"] for t in trials if t["study"]["phase"] == "final"]
    assert seeds[:2] == seeds[2:]


@pytest.mark.thorough
def test_tune_takes_each_technique_s_own_range(room):
    lines = room.run("optimizer=sgd,adam", "tune=lr", "study.trials=8", "study.seeds=2").splitlines()
    assert any(line.startswith("so far: ") and "has the best tuning trial" in line for line in lines)
    assert lines[-2].startswith("found: Of 2 optimisers, tuned with 10 trials each, ")
    trials = room.table("adhoc")["trials"]
    for name, low, high in (("sgd", 0.001, 1.0), ("adam", 0.0001, 0.1)):
        found = [t["study"]["params"]["optimizer.lr"] for t in trials if t["study"]["cell"]["optimizer"] == name]
        assert all(low <= lr <= high for lr in found)


@pytest.mark.thorough
def test_seeds_on_the_command_line_are_replications(room):
    room.run("optimizer=sgd,adam", "seed=1,2,3")
    assert [cell["n"] for cell in room.table("adhoc")["cells"]] == [3, 3]


@pytest.mark.thorough
def test_workers_do_not_change_the_table(room, uninterrupted):
    room.run("study=optimizers", "study.workers=3")
    assert room.cells() == uninterrupted
    assert len(set(room.trained)) == len(room.trained) == 21


@pytest.mark.thorough
def test_a_finished_study_is_read_not_trained_again(room):
    room.run("study=optimizers", "study.trials=2", "study.seeds=2")
    before = room.cells(), room.trained
    room.run("study=optimizers", "study.trials=2", "study.seeds=2")
    assert (room.cells(), room.trained) == before


@pytest.mark.thorough
def test_search_mode_searches_everything_at_once(room):
    room.run("study=optimizers", "study.mode=search", "study.sampler=tpe", "study.pruner=hyperband",
             "scheduler=constant,exp", "study.trials=8", "study.seeds=2")  # fmt: skip
    table = room.table()
    assert [cell["label"] for cell in table["cells"]] == ["default", "search"]
    assert {"optimizer", "scheduler"} <= set(table["cells"][1]["best_params"])
    assert len(table["trials"]) == 2 + 8 + 2


@pytest.mark.thorough
def test_several_metrics_give_a_pareto_front(room):
    room.run("study=optimizers", "study.metrics=[val/accuracy,parameters]", "study.trials=2", "study.seeds=1")
    front = room.table()["pareto"]
    trials = room.table()["trials"]
    assert len(front) == 1
    assert front[0]["val/accuracy"] == max(trial["metrics"]["val/accuracy"] for trial in trials)


@pytest.mark.thorough
def test_the_tables_have_a_row_a_trial_and_a_row_a_cell(room):
    room.run("study=optimizers", "study.trials=2", "study.seeds=2")
    with (room.path / "results" / "optimizers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * (2 + 2)
    assert {row["regimen.optimizer.name"] for row in rows} == {"SGD", "Adam", "Nadam"}
    cells = room.table()["cells"]
    assert all(cell["never_acted"] == ["clip=value"] for cell in cells)
    assert json.loads(room.cells()) == cells
    with (room.path / "results" / "optimizers.cells.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == [cell["label"] for cell in cells]


@pytest.mark.thorough
def test_a_changed_definition_is_another_study(room):
    room.run("optimizer=adam,nadam")
    room.run("optimizer=adam,nadam", "epochs=3")
    assert len([path for path in (room.path / "runs").iterdir() if path.is_dir()]) == 2


@pytest.mark.thorough
def test_a_changed_definition_under_an_explicit_name_is_refused(room):
    room.run("optimizer=adam,nadam", "study.name=mine")
    output = room.run("optimizer=adam,nadam", "study.name=mine", "epochs=3", status=2)
    assert "error: study.name=mine" in output
    assert "regimens.optimizer=adam.epochs: 2 -> 3" in output


@pytest.mark.thorough
def test_optuna_s_own_tools_read_the_storage(room):
    import optuna

    room.run("study=optimizers", "study.trials=2", "study.seeds=1")
    backend = optuna.storages.journal.JournalFileBackend(str(room.directory / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    names = optuna.get_all_study_names(storage)
    assert len(names) == 6
    study = optuna.load_study(study_name=names[0], storage=storage)
    assert study.best_params.keys() == {"optimizer.lr"} and len(study.trials) == 2


@pytest.mark.thorough
def test_a_mistake_costs_one_line(room):
    for arguments, words in (
        (("study=optimizers", "optimizer=adam,foo"), "optimizer/foo"),
        (("study=optimizers", "study.sampler=best"), "study.sampler=best: it is one of"),
        (("study=optimizers", "study.trials=0"), "study.trials=0"),
        (("study.tuned=[momentum]", "optimizer=adam,sgd"), "declares a range of this name"),
        (("optimizer=adam,sgd", "study.storage=sqlite:///x.db"), "SQLite"),
    ):
        lines = room.run(*arguments, status=2).splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: ") and words in lines[0], lines


@pytest.mark.thorough
def test_a_study_that_only_measures_names_no_winner_and_tunes_nothing(room):
    output = room.run("optimizer=sgd,adam", "study.seeds=3", "study.direction=none")
    rows = room.table("adhoc")["cells"]
    assert [(row["cell"]["optimizer"], row["n"], row["vs_best"]) for row in rows] == [
        ("sgd", 3, None),
        ("adam", 3, None),
    ]
    assert not any(word in output for word in ("best", "better", "worse", "detectable"))
    output = room.run("optimizer=sgd,adam", "tune=lr", "study.direction=none", status=2)
    assert output.splitlines()[-1].startswith("error: study.direction=none")


@pytest.mark.thorough
def test_another_study_of_the_same_title_leaves_the_earlier_tables_there(room):
    room.run("study=optimizers", "study.trials=2", "study.seeds=2")
    before = (room.path / "results" / "optimizers.json").read_text()
    output = room.run("study=optimizers", "study.trials=2", "study.seeds=1")
    (kept,) = (room.path / "results" / "earlier").glob("optimizers-*.json")
    assert kept.read_text() == before and str(kept.name) in output
    assert not (room.path / "results" / "earlier" / "optimizers.json").exists()


@pytest.mark.thorough
def test_the_report_judges_an_earlier_table_as_the_study_judged_its_own(room):
    room.run("study=optimizers", "study.trials=2", "study.seeds=3")
    table = room.table()
    about = {key: value for key, value in table["study"].items() if key != "statistics"}
    told = json.loads(json.dumps(rejudged({**table, "study": about})))
    assert told["cells"] == table["cells"]
    assert told["study"] == table["study"]
