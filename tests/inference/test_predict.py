"""A saved run predicts what the trial itself measured, from raw inputs."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import UserError
from regimens.data.arrays import Array
from regimens.inference import predict
from regimens.tracking.delivery import find_run
from tests.conftest import CONF, Train


@pytest.fixture
def digits_cache(tmp_path: Path) -> Path:
    """A cache of this test's own: the shared one holds the digits cut in other tests' ways too."""
    return tmp_path / "data"


def raw(cache: Path, part: str) -> tuple[Array, Array]:
    """The prepared, unscaled examples of the digits."""
    from safetensors.numpy import load_file

    (found,) = cache.rglob(f"{part}.safetensors")
    tensors = load_file(found)
    return tensors["x"], tensors["y"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.scale=unit", "norm=batch"],
        ["data.scale=standardize", "norm=batch", "norm.position=before", "norm.input=true"],
        ["data.scale=none", "optimizer.lr=0.001", "regularization=dropout"],
        ["data.scale=standardize", "regularization=early_stopping", "norm=layer"],
    ],
    ids=["unit", "standardize", "none", "stopped"],
)
def test_predictions_are_the_trials_own(overrides: list[str], train: Train, tmp_path: Path, digits_cache: Path) -> None:
    result = train(*overrides)
    x, y = raw(digits_cache, "valid")
    plain = predict.load(tmp_path / "trial", fused=False).probabilities(x)
    fused = predict.load(tmp_path / "trial").probabilities(x)
    assert float((plain.argmax(1) == y).mean()) == result.metrics["val/accuracy"]
    assert float((fused.argmax(1) == y).mean()) == result.metrics["val/accuracy"]
    np.testing.assert_allclose(fused, plain, atol=1e-5)
    np.testing.assert_allclose(fused.sum(1), 1, atol=1e-5)


def test_a_binary_task_has_two_probabilities(train: Train, tmp_path: Path, digits_cache: Path) -> None:
    result = train("task=b", "optimizer=adam")
    x, y = raw(digits_cache, "valid")
    rows = np.isin(y, (5, 6))
    model = predict.load(tmp_path / "trial")
    assert model.classes == ("5", "6")
    probabilities = model.probabilities(x[rows])
    assert float((probabilities.argmax(1) == (y[rows] == 6)).mean()) == result.metrics["val/accuracy"]


@pytest.mark.thorough
def test_the_command_reads_npz_and_csv_alike_and_finds_an_mlflow_id(
    train: Train, tmp_path: Path, digits_cache: Path
) -> None:
    train("data.scale=standardize", "norm=batch")
    x, _ = raw(digits_cache, "test")
    np.savez(tmp_path / "my.npz", X=x)
    header = ",".join(f"p{number}" for number in range(64))
    np.savetxt(tmp_path / "my.csv", x.reshape(len(x), -1), delimiter=",", header=header, comments="", fmt="%d")
    (tmp_path / "trial" / "tracking.json").write_text(json.dumps({"run_id": "0123abcd"}))
    script = CONF.parent / "src" / "predict.py"
    for run, data in (("trial", "my.npz"), ("0123abcd", "my.csv")):
        command = [sys.executable, str(script), run, data, "--out", f"{data}.out", "--runs", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{data}.out: {len(x)} predictions\n"
    assert (tmp_path / "my.npz.out").read_bytes() == (tmp_path / "my.csv.out").read_bytes()
    with (tmp_path / "my.npz.out").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(x)
    assert sum(float(rows[0][f"p({digit})"]) for digit in range(10)) == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_predicted_is_told_in_a_line(train: Train, tmp_path: Path) -> None:
    train("norm=batch")
    run = tmp_path / "trial"
    model = predict.load(run)
    for x, message in (
        (np.zeros((3, 63), np.float32), "63 features each; the network was trained on 64"),
        (np.zeros((0, 64), np.float32), "no rows"),
        (np.full((3, 64), 0.5, np.float32), "levels 0 to 16"),
    ):
        with pytest.raises(UserError, match=message):
            model.probabilities(x)
    np.savez(tmp_path / "other.npz", features=np.zeros((3, 64)))
    assert predict.read_inputs(tmp_path / "other.npz", model)[0].shape == (3, 8, 8)
    np.savez(tmp_path / "other.npz", X_train=np.zeros((3, 64)), X_test=np.zeros((2, 64)), y=np.zeros(3))
    with pytest.raises(UserError, match="it holds X_test, X_train, y; choose with --key X_train"):
        predict.read_inputs(tmp_path / "other.npz", model)
    with pytest.raises(UserError, match="no such directory, and no run"):
        find_run("nowhere", tmp_path)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("- 16", "- 17"))
    with pytest.raises(UserError, match="not the weights of the network"):
        predict.load(run)
    (run / "config.yaml").write_text(text)
    (run / "inputs.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged: train again"):
        predict.load(run)
    (run / "inputs.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no inputs\.safetensors"):
        predict.load(run)
