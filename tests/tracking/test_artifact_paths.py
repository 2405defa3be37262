"""A project that is moved or copied takes its database and its artifacts along; nothing points to where it was."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from regimens.tracking.artifact_paths import COLUMNS
from regimens.tracking.mlflow import Mlflow

from ..conftest import CONF, SMALL, Train

Tracker = Callable[..., Mlflow]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def everywhere(database: Path) -> list[str]:
    """Every address of artifacts in a database."""
    with closing(sqlite3.connect(database)) as connection:
        return [
            str(address)
            for table, column in COLUMNS
            for (address,) in connection.execute(f"SELECT {column} FROM {table}")
            if address and "mlruns" not in address  # of MLflow's own experiment 0, where nobody writes
        ]


@pytest.fixture
def project(train: Train, tracker: Tracker, tmp_path: Path) -> Path:
    """A project with spaces in its name, a single run, and a study with its model."""
    here = tmp_path / "my project #1"
    mlflow = tracker(here.name)
    result = train()
    mlflow.log(result, tmp_path / "trial")
    parent = mlflow.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    mlflow.close(parent, "FINISHED", [tmp_path / "trial" / "config.yaml"], tmp_path / "trial")
    return here


def works(mlflow: Mlflow, root: Path) -> None:
    """Every run's artifacts and the model are found, below `root`; and every address is there."""
    client = MlflowClient(mlflow.uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    for run in client.search_runs(experiments):
        (path, *_) = [file.path for file in client.list_artifacts(run.info.run_id)]
        assert Path(client.download_artifacts(run.info.run_id, path)).read_text()
    (model,) = client.search_logged_models(experiments)
    assert (Path(client.download_artifacts(model.source_run_id, "config.yaml"))).exists()
    assert all(address.startswith(root.as_uri()) for address in everywhere(root / "mlflow.db"))


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_artifacts_are_found_where_the_database_is(
    project: Path, train: Train, tracker: Tracker, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "deep" / "elsewhere"
    if how == "moved":
        there.parent.mkdir()
        project.rename(there)
    else:
        shutil.copytree(project, there)
    before = sorted(project.rglob("*"))
    mlflow = tracker("deep/elsewhere")
    mlflow.log(train("seed=7", into="another"), tmp_path / "another")
    works(mlflow, there)
    assert sorted(project.rglob("*")) == before  # neither made again nor written into
    assert capsys.readouterr().err == ""


def test_the_model_of_a_moved_study_loads(project: Path, tracker: Tracker, tmp_path: Path) -> None:
    import mlflow as library

    project.rename(tmp_path / "b")
    moved = tracker("b")
    parent = moved.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    library.set_tracking_uri(moved.uri)
    try:
        path = library.artifacts.download_artifacts(f"runs:/{parent}/model")
    finally:
        library.set_tracking_uri(None)
    assert (Path(path) / "MLmodel").is_file()
    assert not project.exists()


def test_what_still_lies_elsewhere_is_told_once_and_found_there(
    project: Path, tracker: Tracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b").mkdir()
    (project / "mlflow.db").rename(tmp_path / "b" / "mlflow.db")
    mlflow = tracker("b")
    mlflow.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    (line,) = capsys.readouterr().err.splitlines()
    assert str(project / "mlartifacts") in line and str(tmp_path / "b" / "mlartifacts") in line
    client = MlflowClient(mlflow.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("regimens").experiment_id])
    assert client.list_artifacts(run.info.run_id)
    assert client.get_experiment_by_name("regimens").artifact_location == (tmp_path / "b" / "mlartifacts").as_uri()
    (project / "mlartifacts").rename(tmp_path / "b" / "mlartifacts")  # as the line says
    again = tracker("b")
    again.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    works(again, tmp_path / "b")
    assert capsys.readouterr().err == ""


def test_a_link_to_the_project_changes_nothing(project: Path, tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    before = everywhere(project / "mlflow.db")
    tracker("link").open({"id": "abc", "name": "optimizers", "question": "Which?"})
    assert everywhere(project / "mlflow.db") == before


@pytest.mark.thorough
def test_artifacts_in_a_place_of_their_own_stay_there(train: Train, tracker: Tracker, tmp_path: Path) -> None:
    tracker("a")
    store = str(tmp_path / "store")
    Mlflow(f"sqlite:///{tmp_path}/a/mlflow.db", "regimens", store).log(train(), tmp_path / "trial")
    (tmp_path / "a").rename(tmp_path / "b")
    moved = Mlflow(f"sqlite:///{tmp_path}/b/mlflow.db", "regimens", store)
    moved.log(train("seed=7", into="another"), tmp_path / "another")
    assert all(address.startswith(Path(store).as_uri()) for address in everywhere(tmp_path / "b" / "mlflow.db"))


@pytest.mark.slow
def test_a_project_that_is_renamed_between_two_commands_goes_on_with_its_own_files(
    tracker: Tracker, tmp_path: Path
) -> None:
    """Public report: mlflow/mlflow#3144."""
    tracker("a")
    small = [word for word in SMALL if not word.startswith(("tracking=", "name="))]
    for here, name in (("a", "one"), ("b", "two")):
        if here == "b":
            (tmp_path / "a").rename(tmp_path / "b")
        command = [sys.executable, str(CONF.parent / "src" / "train.py"), *small, f"name={name}"]
        environment = {**os.environ, "REGIMENS_ROOT": "."}
        done = subprocess.run(command, cwd=tmp_path / here, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/b/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("regimens").experiment_id])
    assert sorted(run.info.run_name for run in found) == ["one", "two"]
    assert all(len(client.list_artifacts(run.info.run_id)) == 2 for run in found)
    assert not (tmp_path / "a").exists()
