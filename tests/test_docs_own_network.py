"""docs/how-to/own-network.md does what it says: its file is written as it stands, and its commands run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regimens.core.result import read
from tests.conftest import CONF

ROOT = CONF.parent
PAGE = (ROOT / "docs" / "how-to" / "own-network.md").read_text()
NET = re.findall(r"`mylab/nets.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)[0]
OPTIMISER = re.findall(r"`mylab/optim.py`[^`]*```python\n(.*?)```", PAGE, re.DOTALL)[0]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SMALL = ("data.train_size=100", "epochs=1", "tracking=none")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of somebody's own, with the page's network and pictures to predict."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("own")
    (folder / "mylab").mkdir()
    (folder / "mylab" / "nets.py").write_text(NET)
    (folder / "mylab" / "optim.py").write_text(OPTIMISER)
    (folder / "src").symlink_to(ROOT / "src")
    np.savez(folder / "digits.npz", X=load_digits().images[:7])
    return folder


def run(folder: Path, command: str, *more: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "python"
    own = {key: value for key, value in os.environ.items() if key != "REGIMENS_ROOT"}
    return subprocess.run(
        [sys.executable, *words[1:], *more], cwd=folder, env={**own, "CI": "1"}, capture_output=True, text=True
    )


def test_the_network_has_no_more_than_fifteen_lines() -> None:
    assert len([line for line in NET.splitlines() if line.strip()]) <= 15


@pytest.mark.thorough
def test_the_page_trains_studies_and_predicts(place: Path) -> None:
    train, study, predict, *_ = COMMANDS
    single = run(place, train, *SMALL)
    assert single.returncode == 0, single.stderr
    result = read(place / "runs" / "own")
    assert (result.status, result.choices["model"]) == ("completed", "mylab.nets.Net")
    assert result.regimen["model"]["width"] == 8
    assert result.metrics["parameters"] == 8 * 9 + 8 + 8 * 4 * 4 * 10 + 10
    many = run(place, study, *SMALL, "study.seeds=1")
    assert many.returncode == 0, many.stderr
    assert "2 completed" in many.stdout
    answered = run(place, predict)
    assert answered.returncode == 0, answered.stderr
    assert len((place / "predictions.csv").read_text().splitlines()) == 1 + 7


@pytest.mark.thorough
def test_the_page_trains_with_an_optimiser_of_ones_own_and_compares_it(place: Path) -> None:
    single = run(place, COMMANDS[3], *SMALL, "epochs=2", "model.hidden=[8]")
    assert single.returncode == 0, single.stderr
    result = read(place / "runs" / "split")
    assert (result.status, result.choices["optimizer"]) == ("completed", "mylab.optim.Split")
    assert (result.regimen["optimizer"]["factor"], result.acted["scheduler"]["acted"]) == (0.5, True)
    many = run(place, COMMANDS[4], *SMALL, "model.hidden=[8]", "study.trials=2", "study.refine=0", "study.seeds=1")
    assert many.returncode == 0, many.stderr
    assert "6 completed" in many.stdout
    refused = run(place, COMMANDS[3], *SMALL, "optimizer._target_=torch.optim.LBFGS", "~optimizer.factor", "name=lbfgs")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: torch.optim.LBFGS: its step() needs closure")


@pytest.mark.thorough
def test_what_cannot_be_applied_is_refused_in_a_line(place: Path) -> None:
    refused = run(place, COMMANDS[0], *SMALL, "norm=batch", "name=refused")
    assert refused.returncode == 2
    assert "error: mylab.nets.Net: its constructor takes no norm, so norm=BatchNorm" in refused.stderr
    denied = run(place, COMMANDS[0].replace("'plugins=[mylab]'", ""), *SMALL, "name=denied")
    assert denied.returncode == 2
    assert "to permit code of yours: plugins=[mylab]" in denied.stderr


@pytest.mark.slow
def test_a_study_trains_anew_after_a_change_of_the_code_and_only_then(place: Path) -> None:
    again = (COMMANDS[1], *SMALL, "study.seeds=1", "batch_size=50")
    assert "2 trials, 0 done" in run(place, *again).stdout
    assert "2 trials, 2 done" in run(place, *again).stdout
    (place / "mylab" / "nets.py").write_text(NET + "# changed\n")
    assert "2 trials, 0 done" in run(place, *again).stdout


@pytest.mark.slow
def test_the_served_model_brings_the_code_with_it(place: Path, tmp_path: Path) -> None:
    assert run(place, COMMANDS[0], *SMALL, "name=served").returncode == 0
    package = "from pathlib import Path; from mlflow.models import Model; from regimens.inference import mlflow_model; "
    package += f"mlflow_model.package(Path('runs/served'), Path({str(tmp_path / 'model')!r}), Model())"
    own = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", package], cwd=place, env=own, check=True, capture_output=True)
    answer = f"import mlflow, numpy; model = mlflow.pyfunc.load_model({str(tmp_path / 'model')!r}); "
    answer += "print(len(model.predict(numpy.zeros((3, 8, 8)))))"
    done = subprocess.run([sys.executable, "-c", answer], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["3"], done.stderr
