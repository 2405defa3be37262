"""A study in MLflow: a row with its answer, and an experiment for its trials with views of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regimens.tracking import shared_views, study_view
from regimens.tracking.mlflow import Mlflow

STUDY = {"id": "0123abcd", "name": "optimizers", "question": "Which?", "command": "python src/train.py -m study=x"}


def row(name: str, mean: float | None, verdict: str | None = None) -> dict[str, Any]:
    return {
        "cell": {"optimizer": name}, "label": f"optimizer={name}", "n": 5 if mean else 0, "mean": mean,
        "ci_low": mean and mean - 0.01, "ci_high": mean and mean + 0.01, "n_trials": 9, "n_failed": 1, "n_diverged": 0,
        "best_params": {"optimizer.lr": 0.00123456}, "vs_best": {"verdict": verdict} if verdict else None,
    }  # fmt: skip


def answer(direction: str = "maximize") -> dict[str, Any]:
    about = {
        **STUDY, "metric": "val/accuracy", "final_metric": "test/accuracy", "direction": direction,
        "tuned": ["optimizer.lr"],
    }  # fmt: skip
    cells = [row("sgd", 0.8, "worse"), row("a|b", 0.9), row("adam", 0.85, "no detectable difference"), row("c", None)]
    return {"study": about, "cells": cells}


def test_the_answer_is_the_best_cell_in_the_direction_of_the_study() -> None:
    assert study_view.headline(answer()) == "a|b: 0.9000 [0.8900, 0.9100], n=5"
    assert study_view.headline(answer("minimize")).startswith("sgd: 0.8000")
    assert study_view.headline(answer("none")) == "measured in 3 cells, no verdict"
    assert study_view.headline({**answer(), "cells": [row("c", None)]}) == "no final completed"


def test_numbers_are_of_the_best_of_each_cell_and_of_all_trials() -> None:
    numbers = study_view.metrics(answer())
    assert numbers["best/mean"] == numbers["mean/a b"] == 0.9
    assert (numbers["trials"], numbers["failed"], numbers["undecided"], numbers["cells"]) == (36, 4, 1, 4)
    assert "mean/c" not in numbers
    assert "best/mean" not in study_view.metrics(answer("none"))


def test_a_text_keeps_within_what_mlflow_takes() -> None:
    long = {**answer(), "cells": [row(f"a-technique-with-a-long-name-{n}", 0.5) for n in range(300)]}
    for text in (study_view.note(STUDY, long, "3"), study_view.trials_note(STUDY, long, "abc", "3")):
        assert len(text) < 5000
    assert "\\|" in study_view.note(STUDY, answer(), "3")


@pytest.mark.parametrize("about", [None, answer()["study"]])
def test_a_view_is_what_mlflow_reads(about: dict[str, Any] | None) -> None:
    """An envelope of MLflow's page (3.17), with a state as text in it."""
    tags = {**shared_views.studies(), **shared_views.single_runs(), **shared_views.trials(about)}
    for key, value in tags.items():
        assert key.startswith("mlflow.sharedViewState.") and len(value) < 5000
        envelope = json.loads(value)
        assert isinstance(envelope["name"], str) and isinstance(envelope["createdAt"], int)
        assert json.loads(envelope["state"])["selectedColumns"]


def test_a_study_shows_its_answer_in_its_row_and_above_its_trials(
    tracker: Callable[..., Mlflow], tmp_path: Path
) -> None:
    mlflow = tracker()
    parent = mlflow.open(STUDY)
    client = MlflowClient(mlflow.uri)
    assert "Not finished" in client.get_run(str(parent)).data.tags["mlflow.note.content"]
    (tmp_path / "finals.svg").write_text("<svg/>")
    for _ in range(2):  # a study that is resumed when it is done closes again
        assert mlflow.close(parent, "FINISHED", [tmp_path / "finals.svg"], None, answer())
    run = client.get_run(str(parent))
    assert run.data.tags["answer"] == study_view.headline(answer())
    assert run.data.tags["command"] == STUDY["command"]
    assert run.data.metrics["best/mean"] == 0.9
    assert STUDY["command"] in run.data.tags["mlflow.note.content"]
    trials = client.get_experiment_by_name("optimizers-0123abcd")
    assert trials.tags["mlflow.note.content"].startswith(study_view.headline(answer()))
    assert trials.tags["mlflow.experiment.primaryMetric.name"] == "test/accuracy"
    assert trials.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "optimizer.lr" in trials.tags["mlflow.sharedViewState.tuning"]
    assert len(client.get_metric_history(str(parent), "best/mean")) == 1


def test_a_study_that_goes_on_keeps_its_answer_until_it_has_the_next(tracker: Callable[..., Mlflow]) -> None:
    mlflow = tracker()
    parent = mlflow.open(STUDY)
    mlflow.close(parent, "FINISHED", (), None, answer())
    mlflow.open({**STUDY, "command": "python src/train.py -m study=x study.seeds=9"})
    run = MlflowClient(mlflow.uri).get_run(str(parent))
    assert run.info.status == "RUNNING"
    assert run.data.tags["answer"] == study_view.headline(answer())
    assert run.data.tags["command"].endswith("study.seeds=9")
    more = {**answer(), "cells": [row("sgd", 0.95)]}
    mlflow.close(parent, "FINISHED", (), None, more)
    assert MlflowClient(mlflow.uri).get_run(str(parent)).data.tags["answer"].startswith("sgd: 0.9500")


def test_an_experiment_that_somebody_deleted_comes_back_with_its_study(tracker: Callable[..., Mlflow]) -> None:
    mlflow = tracker()
    mlflow.open(STUDY)
    client = MlflowClient(mlflow.uri)
    client.delete_experiment(client.get_experiment_by_name("optimizers-0123abcd").experiment_id)
    tracker().open(STUDY)
    assert client.get_experiment_by_name("optimizers-0123abcd").lifecycle_stage == "active"


def test_the_first_page_is_of_studies_or_of_what_there_is(tracker: Callable[..., Mlflow]) -> None:
    mlflow = tracker()
    assert "/experiments/2/" in mlflow.table("http://x")
    mlflow.open(STUDY)
    page = mlflow.table("http://x")
    index = MlflowClient(mlflow.uri).get_experiment_by_name("regimens studies").experiment_id
    assert page == f"http://x/#/experiments/{index}/runs?viewStateShareKey=regimens&workflowType=machine_learning"
