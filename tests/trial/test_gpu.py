"""On a GPU: a processor's numbers to rounding, its own to the bit, alone, in a fleet and in a study."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from regimens import trial
from regimens.core.result import Result
from regimens.trial.task import Task
from tests.conftest import CONF, SMALL, Compose

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

REGIMENS = {
    "sgd": ["optimizer=sgd"],
    "nadam, exponential": ["optimizer=nadam", "scheduler=exp"],
    "batch norm, dropout": ["norm=batch", "regularization=dropout", "optimizer=momentum"],
    "clipped, bounded": ["clip=global_norm", "regularization=max_norm", "activation=selu", "init=lecun_normal"],
    "default recipe": ["experiment=default_dnn"],
    "averaged": ["average=ema", "optimizer=adam"],
}
ALONE = {**REGIMENS, "convolutions": ["model=cnn", "optimizer=adam"], "muon": ["optimizer=muon"]}
GPU = ("trainer=gpu", "engine=eager")


def close(ours: Result, theirs: Result) -> None:
    """Every epoch's numbers agree but for rounding."""
    assert (ours.status, theirs.status) == ("completed", "completed")
    for name, values in theirs.history.items():
        if name != "time":
            assert ours.history[name] == pytest.approx(values, rel=2e-3, abs=2e-2 if "accuracy" in name else 1e-4), name


def same(ours: Path, theirs: Path) -> bool:
    """Whether two trials learned the same weights to the bit."""
    mine, other = (load_file(next(folder.rglob("*.safetensors"))) for folder in (ours, theirs))
    return all(torch.equal(mine[name], value) for name, value in other.items())


@pytest.mark.parametrize("regimen", ALONE)
def test_a_trial_has_the_processors_numbers_and_its_own_again(regimen: str, composed: Compose, tmp_path: Path) -> None:
    small = () if regimen != "convolutions" else tuple(one for one in SMALL if not one.startswith("model."))
    found = {}
    for name, where in (("cpu", ("engine=eager",)), ("gpu", GPU), ("again", GPU)):
        cfg, choices = composed(*ALONE[regimen], *where, **({"small": small} if small else {}))
        found[name] = trial.run(cfg, tmp_path / name, choices=choices)
    close(found["gpu"], found["cpu"])
    assert same(tmp_path / "gpu", tmp_path / "again")


@pytest.mark.parametrize("regimen", REGIMENS)
def test_a_fleet_has_each_trials_own_numbers_and_the_same_again(
    regimen: str, composed: Compose, tmp_path: Path
) -> None:
    asked = [composed(*REGIMENS[regimen], "trainer=gpu", "engine=fleet", f"seed={i}") for i in range(20)]
    fleets = []
    for name in ("once", "twice"):
        tasks = [Task(cfg, tmp_path / name / str(i), choices) for i, (cfg, choices) in enumerate(asked)]
        fleets.append(trial.run_fleet(tasks))
    for i in (0, 19):
        cfg, choices = composed(*REGIMENS[regimen], *GPU, f"seed={i}")
        alone = trial.run(cfg, tmp_path / f"alone{i}", choices=choices)
        ours = fleets[0][i]
        assert isinstance(ours, Result), ours
        assert (ours.provenance["engine"], ours.provenance["fleet"]) == ("fleet", 20)
        close(ours, alone)
        assert same(tmp_path / "once" / str(i), tmp_path / "twice" / str(i))


def test_a_study_from_command_to_table(tmp_path: Path) -> None:
    root = CONF.parent
    command = [sys.executable, str(root / "src" / "train.py"), "-m", "optimizer=sgd,adam", "trainer=gpu", "data=digits"]
    command += ["tracking=none", "epochs=3", "study.seeds=3", "study.trials=4", "study.name=on_gpu"]
    command += [f"paths.{name}={tmp_path}/{name}" for name in ("data", "runs", "results")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with next(tmp_path.rglob("*.cells.csv")).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
