"""The best final of a study, as the model that MLflow serves: its answers are those of `src/predict.py`."""

import contextlib
import csv
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimens.inference import mlflow_model, predict
from regimens.tracking.mlflow import Mlflow
from tests.conftest import CONF, SMALL, Train

TRAIN = CONF.parent / "src" / "train.py"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A .csv of two classes that differ in `a`, of which `b` knows nothing."""
    draw = np.random.default_rng(0)
    labels = np.arange(200) % 2
    rows = np.column_stack([draw.normal(0, 1, 200) + 4 * labels, draw.normal(0, 1, 200)])
    lines = [f"{a:.4f},{b:.4f},{'yes' if label else 'no'}" for (a, b), label in zip(rows, labels, strict=True)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["a,b,answer", *lines]) + "\n")
    return path


@pytest.mark.thorough
def test_a_packaged_run_answers_as_predict_does_and_holds_no_pickle(train: Train, tmp_path: Path, table: Path) -> None:
    from mlflow.models import Model

    train("data=csv", f"data.path={table}", "data.target=answer", "data.train_size=null", "norm=batch")
    mlflow_model.package(tmp_path / "trial", tmp_path / "model", Model())
    served, model = (
        mlflow_model._load_pyfunc(str(tmp_path / "model" / "data" / "run")),
        predict.load(tmp_path / "trial"),
    )
    import pandas as pd

    rows = pd.read_csv(table)[["answer", "b", "a"]]
    expected = model.probabilities(predict.read_inputs(table, model)[0])
    answer = served.predict(rows)
    np.testing.assert_array_equal(answer[["p(no)", "p(yes)"]].to_numpy(), expected.astype(float))
    assert list(answer["class"]) == [("no", "yes")[row] for row in expected.argmax(1)]
    described = Model.load(str(tmp_path / "model"))
    assert described.signature.inputs is None  # MLflow's schema would refuse whole numbers in such a frame
    assert [column["name"] for column in described.metadata["columns"]] == ["a", "b"]
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files if path.suffix not in (".py", ".csv", ".html", ".css", ".js")} <= {
        *("", ".yaml", ".json", ".txt", ".safetensors", ".md", ".svg", ".j2", ".jinja", ".pyc", ".typed"),
    }
    assert str(tmp_path) not in (tmp_path / "model" / "MLmodel").read_text()


@pytest.mark.thorough
def test_packages_are_looked_up_once_a_process(tmp_path: Path) -> None:
    program = (
        "import importlib_metadata; from regimens.inference.mlflow_model import look_up_packages\n"
        "looked, look = [], importlib_metadata.packages_distributions\n"
        "importlib_metadata.packages_distributions = lambda: looked.append(1) or look()\n"
        "look_up_packages(); look_up_packages(); print(len(looked))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.thorough
def test_a_study_closes_with_its_files_and_one_model(train: Train, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    mlflow = Mlflow(f"sqlite:///{tmp_path}/mlflow.db", "regimens", str(tmp_path / "artifacts"))
    train("norm=batch")
    (tmp_path / "finals.svg").write_text("<svg/>")
    parent = mlflow.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    for _ in range(2):  # a study that is resumed when it is done closes again
        mlflow.close(parent, "FINISHED", [tmp_path / "finals.svg"], tmp_path / "trial")
    client = MlflowClient(mlflow.uri)
    assert [file.path for file in client.list_artifacts(str(parent))] == ["finals.svg"]
    run = client.get_run(str(parent))
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.source_run_id, model.status.name) == ("model", parent, "READY")
    assert "Which?" in run.data.tags["mlflow.note.content"]


@pytest.mark.thorough
def test_a_trial_that_cannot_be_packaged_costs_a_warning_and_no_study(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow = Mlflow(f"sqlite:///{tmp_path}/mlflow.db", "regimens", str(tmp_path / "artifacts"))
    train()
    (tmp_path / "trial" / "final.safetensors").write_bytes(b"damaged")
    parent = mlflow.open({"id": "abc", "name": "optimizers", "question": "Which?"})
    mlflow.close(parent, "FINISHED", [], tmp_path / "trial")
    assert "not the weights of the network" in capsys.readouterr().err


def environment(root: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db", "CI": "1"}


@contextlib.contextmanager
def server(command: list[str], root: Path, port: int) -> Iterator[None]:
    """A server for as long as the block runs, once it answers."""
    process = subprocess.Popen(command, cwd=root, env=environment(root), start_new_session=True)
    try:
        for _ in range(600):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            assert process.poll() is None
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mlflow_predicts_and_serves_the_best_final_of_a_study(tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from sklearn.datasets import load_digits

    study = ["-m", *(word for word in SMALL if not word.startswith(("name=", "tracking="))), "norm=none,batch"]
    command = [sys.executable, str(TRAIN), *study, "study.seeds=2", "study.name=norms"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (experiment,) = [one for one in client.search_experiments() if one.name == "regimens studies"]
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`regimens.study` LIKE '%'")
    assert {"finals.svg", "norms.json"} <= {file.path for file in client.list_artifacts(parent.info.run_id)}

    x = load_digits().images[:20].reshape(20, -1).astype(int)
    np.savez(tmp_path / "my.npz", X=x)
    best = next((tmp_path / "runs").glob("norms-*")) / parent.data.tags["regimens.model"]
    script = [sys.executable, str(TRAIN.parent / "predict.py"), str(best), "my.npz"]
    subprocess.run(script, cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "predictions.csv").open() as file:
        expected = [{key: value for key, value in row.items() if key != "row"} for row in csv.DictReader(file)]

    request = json.dumps({"inputs": x.tolist()})
    (tmp_path / "request.json").write_text(request)
    asked = [*documented("predict", parent.info.run_id), "-o", "answer.json"]
    subprocess.run(asked, cwd=tmp_path, env=environment(tmp_path), check=True, capture_output=True)
    check(json.loads((tmp_path / "answer.json").read_text()), expected)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(port) if word == "5002" else word for word in documented("serve", parent.info.run_id)]
    with server(command, tmp_path, port):
        headers = {"Content-Type": "application/json"}
        sent = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", request.encode(), headers)
        with urllib.request.urlopen(sent, timeout=60) as answer:
            check(json.load(answer), expected)


def documented(what: str, run_id: str) -> list[str]:
    """The command `mlflow models <what>` as the how-to has it, for this run; README.md has no other."""
    page, readme = CONF.parent / "docs" / "how-to" / "compare-in-mlflow.md", CONF.parent / "README.md"
    (line,) = re.findall(rf"^mlflow models {what} .*$", page.read_text(), re.MULTILINE)
    assert set(re.findall(rf"^mlflow models {what} .*$", readme.read_text(), re.MULTILINE)) <= {line}
    return [sys.executable, "-m", *shlex.split(line.replace("<run id>", run_id))]


def check(answer: dict[str, Any], expected: list[dict[str, str]]) -> None:
    """The same classes, and the same probabilities to the six digits that a .csv of predictions has."""
    assert len(answer["predictions"]) == len(expected)
    for found, wanted in zip(answer["predictions"], expected, strict=True):
        assert found["class"] == wanted.pop("class")
        for name, value in wanted.items():
            assert found[name] == pytest.approx(float(value), rel=1e-4, abs=1e-6)
        wanted["class"] = found["class"]
