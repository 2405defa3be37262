"""Files are the truth: what was delivered is remembered for each tracker, which is known by its database."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regimens.core.result import Result
from regimens.tracking import delivery, endings, mlflow_runs, runs_view
from regimens.tracking.marks import MARK, delivered
from regimens.tracking.mlflow import Mlflow

from ..conftest import Train

Tracker = Callable[..., Mlflow]
STUDY = {"id": "0123abcd", "name": "optimizers", "question": "Which?"}
ABOUT = {**STUDY, "cell": {"optimizer": "adam"}, "phase": "final"}


@pytest.fixture
def runs(train: Train, tmp_path: Path) -> Path:
    """A single run, and a study that has ended, of two finals."""
    train(into="runs/alone")
    folder = tmp_path / "runs" / "optimizers-0123abcd"
    for number in range(2):
        into = f"runs/optimizers-0123abcd/optimizer=adam/final-{number}"
        train(into=into, study={**ABOUT, "number": number})
    (tmp_path / "table.csv").write_text("a,b\n")
    endings.write_ending(folder, endings.Ending(dict(STUDY), [tmp_path / "table.csv"], None, {}))
    return tmp_path / "runs"


def shown(mlflow: Mlflow) -> Counter[str]:
    """What a tracker shows: experiment/run -> how often."""
    client = MlflowClient(mlflow.uri)
    experiments = {one.experiment_id: one.name for one in client.search_experiments()}
    return Counter(
        f"{experiments[run.info.experiment_id]}/{run.info.run_name}" for run in client.search_runs(list(experiments))
    )


EVERYTHING = Counter(
    ["regimens/test", "regimens studies/optimizers"]
    + [f"optimizers-0123abcd/optimizer=adam final {number}" for number in range(2)]
)


def sync(mlflow: Mlflow, runs: Path) -> tuple[int, int]:
    return delivery.sync(mlflow, runs, lambda study: False)


def test_another_tracker_gets_everything_once_and_the_first_one_nothing_again(runs: Path, tracker: Tracker) -> None:
    one, other = tracker("one"), tracker("other")
    for mlflow in (one, other, one, other):
        sync(mlflow, runs)
        assert shown(mlflow) == EVERYTHING
    assert sync(one, runs) == sync(other, runs) == (0, 0)


def test_a_database_that_was_deleted_is_filled_again(runs: Path, tracker: Tracker, tmp_path: Path) -> None:
    sync(first := tracker("mine"), runs)
    (tmp_path / "mine" / "mlflow.db").unlink()
    again = tracker("mine")
    assert again.uri == first.uri
    assert sync(again, runs) == (3, 0)
    assert shown(again) == EVERYTHING
    (study,) = MlflowClient(again.uri).search_runs(["1", "2"], "tags.`regimens.study` = '0123abcd'")
    assert [file.path for file in MlflowClient(again.uri).list_artifacts(study.info.run_id)] == ["table.csv"]


def test_a_database_that_was_moved_is_the_same_tracker(runs: Path, tracker: Tracker, tmp_path: Path) -> None:
    sync(tracker("here"), runs)
    (tmp_path / "here").rename(tmp_path / "there")
    assert sync(moved := tracker("there"), runs) == (0, 0)
    assert shown(moved) == EVERYTHING


def test_a_database_that_was_brought_back_from_before_is_completed(
    runs: Path, tracker: Tracker, tmp_path: Path
) -> None:
    mlflow = tracker("mine")
    alone, *_ = sorted(path.parent for path in runs.rglob("result.json"))
    mlflow.log(Result.from_json(json.loads((alone / "result.json").read_text())), alone)
    shutil.copy(tmp_path / "mine" / "mlflow.db", tmp_path / "backup.db")
    sync(mlflow, runs)
    shutil.copy(tmp_path / "backup.db", tmp_path / "mine" / "mlflow.db")
    assert sync(again := tracker("mine"), runs) == (2, 0)
    assert shown(again) == EVERYTHING


@pytest.mark.thorough
def test_a_database_that_is_deleted_while_it_is_in_use_is_made_again(
    runs: Path, tracker: Tracker, tmp_path: Path
) -> None:
    mlflow = tracker("mine")
    sync(mlflow, runs)
    (tmp_path / "mine" / "mlflow.db").unlink()
    assert sync(mlflow, runs) == (3, 0)
    assert shown(mlflow) == EVERYTHING


def test_a_run_that_somebody_deleted_in_the_page_stays_deleted(runs: Path, tracker: Tracker) -> None:
    sync(mlflow := tracker(), runs)
    client = MlflowClient(mlflow.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("regimens").experiment_id])
    client.delete_run(run.info.run_id)
    assert sync(mlflow, runs) == (0, 0)


def test_renamed_and_copied_directories_are_delivered_already(runs: Path, tracker: Tracker) -> None:
    sync(mlflow := tracker(), runs)
    (runs / "alone").rename(runs / "renamed")
    shutil.copytree(runs / "renamed", runs / "copy")
    (runs / "optimizers-0123abcd").rename(runs / "mine-0123abcd")
    assert sync(mlflow, runs) == (0, 0)
    (runs / "copy" / MARK).unlink()
    sync(mlflow, runs)
    assert shown(mlflow)["optimizers-0123abcd/optimizer=adam final 0"] == 1


@pytest.mark.thorough
def test_a_trial_that_takes_another_ones_place_is_delivered_too(train: Train, tracker: Tracker, tmp_path: Path) -> None:
    mlflow = tracker()
    first, second = train(), train("seed=7", into="other")
    assert mlflow.log(first, tmp_path / "trial") != mlflow.log(second, tmp_path / "trial")


def dies(monkeypatch: pytest.MonkeyPatch, name: str, do: Callable[[], Any]) -> None:
    """Call something in a process that is killed when it calls a method of MLflow's client, or what logs a file.

    Just after, with `!`.
    """
    owner = mlflow_runs if hasattr(mlflow_runs, name.strip("!")) else MlflowClient
    with monkeypatch.context() as killed:
        original = getattr(owner, name.strip("!"))

        def die(*args: Any, **keywords: Any) -> None:
            if name.endswith("!"):
                original(*args, **keywords)
            raise KeyboardInterrupt

        killed.setattr(owner, name.strip("!"), die)
        with pytest.raises(KeyboardInterrupt):
            do()


@pytest.mark.parametrize("moment", ["create_run!", "log_batch", "log_copy!", "set_terminated", "set_terminated!"])
@pytest.mark.thorough
def test_killed_at_any_moment_of_a_second_delivery_there_is_one_run_in_each(
    train: Train, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    result, place = train(), tmp_path / "trial"
    one, other = tracker("one"), tracker("other")
    one.log(result, place)
    dies(monkeypatch, moment, lambda: other.log(result, place))
    for mlflow in (other, one, other):
        mlflow.log(result, place)
        assert shown(mlflow) == Counter(["regimens/test"])
        client = MlflowClient(mlflow.uri)
        (run,) = client.search_runs([client.get_experiment_by_name("regimens").experiment_id])
        assert run.info.status == "FINISHED"
        assert len(client.list_artifacts(run.info.run_id)) == 2


def of_before(mark: Path, **state: str) -> None:
    mark.write_text(json.dumps(state) + "\n")


def test_a_mark_of_an_earlier_version_is_read(train: Train, tracker: Tracker, tmp_path: Path) -> None:
    result, place = train(), tmp_path / "trial"
    one, other = tracker("one"), tracker("other")
    run_id = one.log(result, place)
    older = runs_view.identities(result, place)[1]
    MlflowClient(one.uri).set_tag(run_id, "regimens.trial", older)
    of_before(place / MARK, run_id=str(run_id), trial=older)
    assert one.owes(place) and one.log(result, place) == run_id and not one.owes(place)
    of_before(place / MARK, run_id=str(run_id), trial=older)
    assert other.log(result, place) != run_id
    assert shown(one) == shown(other) == Counter(["regimens/test"])


def test_a_study_of_an_earlier_version_goes_on_where_it_is(train: Train, tracker: Tracker, tmp_path: Path) -> None:
    mlflow = tracker()
    client = MlflowClient(mlflow.uri)
    single = client.create_experiment("regimens")
    old = client.create_run(single, tags={"regimens.study": STUDY["id"]}, run_name="optimizers")
    assert mlflow.open(STUDY) == old.info.run_id
    run_id = mlflow.log(train(study={**ABOUT, "number": 0}), tmp_path / "trial", old.info.run_id)
    assert client.get_run(str(run_id)).info.experiment_id == single
    assert mlflow.close(old.info.run_id, "FINISHED")
    assert Counter(run.info.run_name for run in client.search_runs([single])) == Counter(
        ["optimizers", "optimizer=adam final 0"]
    )


def test_a_server_is_the_tracker_of_its_database(train: Train, tracker: Tracker, tmp_path: Path) -> None:
    """As far as that goes without a server: both are asked when their first experiment was made."""
    mlflow, result = tracker(), train()
    mlflow.log(result, tmp_path / "trial")
    client = MlflowClient(mlflow.uri)
    assert set(delivered(tmp_path / "trial").runs) == {str(client.get_experiment("0").creation_time)}
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("DELETE FROM experiments WHERE experiment_id = 0")  # as `mlflow gc` does
    assert tracker().owes(tmp_path / "trial")
    tracker().log(result, tmp_path / "trial")
    assert shown(mlflow) == Counter(["regimens/test"])
