from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from regimens.tracking import mlflow_runs
from regimens.tracking.marks import run_ids
from regimens.tracking.mlflow import Mlflow
from regimens.tracking.sqlite_file import absolute, beside
from tests.conftest import Train


@pytest.fixture
def mlflow(tracker: Callable[..., Mlflow]) -> Mlflow:
    return tracker()


def test_a_trial_becomes_one_run_with_its_history_its_choices_and_its_files(
    train: Train, mlflow: Mlflow, tmp_path: Path
) -> None:
    result = train("optimizer=adam", "scheduler=exp")
    run_id = mlflow.log(result, tmp_path / "trial")
    client = MlflowClient(mlflow.uri)
    run = client.get_run(str(run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer"] == "adam"
    assert run.data.params["optimizer.lr"] == "0.001"
    assert run.data.params["seed"] == "42"
    history = [metric.value for metric in client.get_metric_history(str(run_id), "val/loss")]
    assert result.history["val/loss"] == history
    assert {file.path for file in client.list_artifacts(str(run_id))} == {"config.yaml", "result.json"}


def test_a_file_is_copied_where_artifacts_are_a_folder_and_sent_where_they_are_not(tmp_path: Path) -> None:
    path, folder = tmp_path / "result.json", tmp_path / "with space & #"
    sent: list[tuple[str, str]] = []
    client: Any = SimpleNamespace(log_artifact=lambda run_id, path: sent.append((run_id, path)))
    for text in ("first", "second"):  # the second over a file that nobody may write
        path.write_text(text)
        path.chmod(0o444)
        run: Any = SimpleNamespace(info=SimpleNamespace(run_id="r", artifact_uri=folder.as_uri()))
        mlflow_runs.log_copy(client, run, path)
        assert (folder / "result.json").read_text() == text
        path.chmod(0o644)
    assert sent == []
    run.info.artifact_uri = "mlflow-artifacts:/1/r/artifacts"
    mlflow_runs.log_copy(client, run, path)
    assert sent == [("r", str(path))]


def test_logging_twice_makes_one_run(train: Train, mlflow: Mlflow, tmp_path: Path) -> None:
    result = train()
    assert mlflow.log(result, tmp_path / "trial") == mlflow.log(result, tmp_path / "trial")
    client = MlflowClient(mlflow.uri)
    experiment = client.get_experiment_by_name("regimens")
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_what_never_acted_is_tagged(train: Train, mlflow: Mlflow, tmp_path: Path) -> None:
    result = train("clip=value", "clip.bound=1000000")
    run = MlflowClient(mlflow.uri).get_run(str(mlflow.log(result, tmp_path / "trial")))
    assert run.data.tags["regimens.never_acted"] == "value"
    assert run.data.metrics["acted/clip"] == 0


def test_a_study_is_the_parent_of_its_trials_and_is_found_again(train: Train, mlflow: Mlflow, tmp_path: Path) -> None:
    study = {"id": "abc", "name": "optimizers", "question": "Which?"}
    parent = mlflow.open(study)
    assert parent == mlflow.open(study)
    context = {"name": "optimizers", "cell": {"optimizer": "adam"}, "phase": "final", "number": 3}
    child = MlflowClient(mlflow.uri).get_run(str(mlflow.log(train(study=context), tmp_path / "trial", parent)))
    assert child.data.tags["mlflow.parentRunId"] == parent
    assert child.info.run_name == "optimizer=adam final 3"
    mlflow.close(parent, "FINISHED")
    study = MlflowClient(mlflow.uri).get_run(str(parent))
    assert study.info.status == "FINISHED"
    assert MlflowClient(mlflow.uri).get_experiment(study.info.experiment_id).name == "regimens studies"
    assert MlflowClient(mlflow.uri).get_experiment(child.info.experiment_id).name == "optimizers-abc"


def test_a_server_that_fails_costs_a_warning_and_delivers_later(
    train: Train, mlflow: Mlflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train()
    broken = Mlflow("http://127.0.0.1:9", "regimens", str(tmp_path / "artifacts"))
    assert broken.log(result, tmp_path / "trial") is None
    assert "safe on disk" in capsys.readouterr().err
    run_id = mlflow.log(result, tmp_path / "trial")
    assert run_ids(tmp_path / "trial") == {run_id}


def test_a_trial_that_the_tracker_refuses_does_not_keep_the_next_one_out(
    train: Train, mlflow: Mlflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train()
    refused = replace(result, choices={**result.choices, "a@b": "c"})
    assert mlflow.log(refused, tmp_path / "refused") is None
    assert "a@b" in capsys.readouterr().err
    assert mlflow.log(result, tmp_path / "trial") is not None


def test_relative_databases_are_pinned_and_their_artifacts_lie_beside_them() -> None:
    assert beside("sqlite:////a/b.db", "files") == "file:///a/files"
    assert beside("sqlite:////a/b.db", "/c") == "file:///c"
    assert absolute("sqlite:///a.db") == f"sqlite:///{Path.cwd()}/a.db"
    assert absolute("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_what_a_killed_process_had_begun_is_finished_or_written_again(
    train: Train, mlflow: Mlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = mlflow.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    places = [tmp_path / "optimizer=adam" / name for name in ("whole", "torn")]
    results = []
    for number, (place, dies_in) in enumerate(zip(places, ("set_terminated", "log_copy"), strict=True)):
        context = {"name": "optimizers", "cell": {"optimizer": "adam"}, "phase": "final", "number": number}
        results.append(result := train(study=context, into=str(place)))
        with monkeypatch.context() as killed:
            owner = MlflowClient if hasattr(MlflowClient, dies_in) else mlflow_runs
            killed.setattr(owner, dies_in, lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                mlflow.log(result, place, parent)
    mlflow.mend(parent)
    for result, place in zip(results, places, strict=True):
        mlflow.log(result, place, parent)
    client = MlflowClient(mlflow.uri)
    experiment = client.get_experiment_by_name("optimizers-abc")
    runs = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert sorted(run.data.tags["regimens.directory"] for run in runs) == [
        "optimizer=adam/torn",
        "optimizer=adam/whole",
    ]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(len(client.list_artifacts(run.info.run_id)) == 2 for run in runs)
