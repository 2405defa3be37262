"""What has been trained is taken over, whoever trained it; what is not what was named is trained anew."""

import json
import shutil

import pytest


@pytest.mark.thorough
def test_more_seeds_of_a_finished_study_train_exactly_the_missing_ones(finished):
    before = set(finished.trained)
    output = finished.run("study=optimizers", "study.seeds=5")
    assert "differs in seeds" in output
    assert "21 of them taken over from optimizers-" in output.splitlines()[-1]
    assert len(finished.trained) == 21 + 3 * 2
    assert all(not path.endswith(("final-0", "final-1", "final-2")) for path in set(finished.trained) - before)


@pytest.mark.thorough
def test_from_five_seeds_to_twenty_fifteen_are_trained_in_each_cell(room):
    room.run("optimizer=adam,sgd", "study.seeds=5")
    output = room.run("optimizer=adam,sgd", "study.seeds=20")
    assert "10 of them taken over from adhoc-" in output.splitlines()[-1]
    new = [path.split("/")[-2:] for path in room.trained[10:]]
    cells = ("optimizer=adam", "optimizer=sgd")
    assert sorted(new) == sorted([cell, f"final-{number}"] for cell in cells for number in range(5, 20))


@pytest.mark.thorough
def test_another_cell_is_all_that_a_larger_study_trains(room):
    room.run("optimizer=adam,nadam", "tune=lr", "study.trials=3", "study.seeds=2")
    before = len(room.trained)
    output = room.run("optimizer=adam,nadam,sgd", "tune=lr", "study.trials=3", "study.seeds=2")
    assert "taken over from adhoc-" in output
    assert all("optimizer=sgd" in path for path in room.trained[before:])


@pytest.mark.thorough
def test_the_same_cell_in_another_study_is_not_trained_again(room):
    room.run("study=optimizers")
    output = room.run("optimizer=adam", "tune=lr", "study.trials=4", "study.refine=0", "study.seeds=3")
    assert "7 of them taken over from optimizers-" in output.splitlines()[-1]
    assert len(room.trained) == 21


def test_two_cells_that_come_to_the_same_trials_train_them_once(room):
    output = room.run(
        "scheduler=constant,exp", "study.tuned={scheduler.bonus:{choices:[0.1,0.2]}}", "study.trials=2", "study.seeds=2"
    )
    assert room.trained and all("scheduler=constant" in path for path in room.trained)
    trials = room.table("adhoc")["trials"]
    assert len(trials) == 2 * len(room.trained)
    mine, others = (
        [one for one in trials if one["study"]["cell"] == {"scheduler": name}] for name in ("constant", "exp")
    )
    assert [one["metrics"] for one in mine] == [one["metrics"] for one in others]
    assert all("/scheduler=constant/" in one["study"]["taken_from"] for one in others)
    assert "taken over" not in output  # from itself
    assert {one["choices"]["scheduler"] for one in others} == {"exp"}
    assert [one["regimen"] for one in others] == [one["regimen"] for one in mine]  # the bonus is all there is


@pytest.mark.thorough
def test_a_result_says_where_it_was_trained_and_what_it_is_here(room):
    room.run("study=optimizers", "study.seeds=2")
    room.run("optimizer=adam", "tune=lr", "study.trials=4", "study.seeds=2")
    (path,) = (room.path / "runs").glob("adhoc-*/default/final-1/result.json")
    result = json.loads(path.read_text())
    assert result["study"]["taken_from"].endswith("optimizer=adam/final-1")
    assert (result["study"]["name"], result["study"]["cell"]) == ("adhoc", {})


@pytest.mark.thorough
def test_a_trial_of_another_regimen_in_a_study_s_place_is_set_aside_and_trained(finished, uninterrupted):
    directory = finished.directory
    shutil.copy(directory / "optimizer=adam" / "final-0" / "result.json", directory / "optimizer=sgd" / "final-1")
    finished.run("study=optimizers")
    assert finished.cells() == uninterrupted
    assert len(finished.trained) == 22 and finished.trained[-1].endswith("optimizer=sgd/final-1")
    assert list((directory / "optimizer=sgd").glob("final-1.replaced-*"))


@pytest.mark.thorough
def test_a_copied_and_a_renamed_project_go_on_with_their_own_files(finished, uninterrupted, tmp_path):
    shutil.rmtree(finished.directory / "optimizer=adam" / "final-1")
    copy = type(finished)(shutil.copytree(finished.path, tmp_path / "copy"))
    moved = type(finished)(finished.path.rename(tmp_path / "moved"))
    for room in (copy, moved):
        room.run("study=optimizers")
        assert room.cells() == uninterrupted
        assert room.trained[-1].startswith(str(room.path)) and len(room.trained) == 22


@pytest.mark.thorough
def test_a_list_of_trials_that_is_lost_or_damaged_is_made_anew(finished):
    (finished.path / "runs" / ".trials").write_text("[1, 2\n")
    output = finished.run("optimizer=adam", "tune=lr", "study.trials=4", "study.seeds=3")
    assert "7 of them taken over" in output.splitlines()[-1]


@pytest.mark.thorough
def test_a_joint_search_goes_on_from_its_own_copy_of_the_configuration(room):
    arguments = ("study=optimizers", "study.mode=search", "study.sampler=random", "study.trials=6", "study.seeds=2")
    room.run(*arguments)
    assert (room.directory / "conf" / "0" / "optimizer" / "adam.yaml").is_file()
    before = room.cells()
    room.run(*arguments)
    assert room.cells() == before
