"""One trial once more from its directory: exactly it, and whether the bits are the same."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from regimens.commands import again, again_fleet, bits
from regimens.core.result import Result, read
from tests.conftest import CONF, SMALL, Asked, Train

TRAIN = CONF.parent / "src" / "train.py"
Ask = Callable[..., Asked]
STUDY = [one for one in SMALL if not one.startswith("name=")]


def call(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "REGIMENS_ROOT": str(root)}
    command = [sys.executable, str(TRAIN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=200)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished study, tuned and with an axis, and one whose trials were trained together."""
    root = tmp_path_factory.mktemp("project")
    plain = ("optimizer=adam,nadam", "tune=lr", "study.trials=2", "study.seeds=2", "study.name=plain")
    fleet = ("optimizer=adam,sgd", "engine=fleet", "study.seeds=5", "study.name=fleet")
    for study in (plain, fleet):
        done = call(root, "-m", *STUDY, *study)
        assert done.returncode == 0, done.stdout + done.stderr
    return root


def trial(root: Path, study: str, place: str) -> Path:
    (directory,) = (root / "runs").glob(f"{study}-*/{place}")
    return directory


@pytest.mark.parametrize("place", ["optimizer=nadam/final-1", "optimizer=adam/tuning-1"])
@pytest.mark.thorough
def test_a_trial_of_a_study_gives_the_same_bits_in_another_project(studied: Path, tmp_path: Path, place: str) -> None:
    old = trial(studied, "plain", place)
    before = {path: path.read_bytes() for path in old.iterdir()}
    done = call(tmp_path, "--again", str(old), "tracking=none", "name=anew")
    assert done.returncode == 0, done.stderr
    assert f"numbers and the weights, as in {old}" in done.stdout.splitlines()[-1]
    assert {path: path.read_bytes() for path in old.iterdir()} == before
    new, there = read(tmp_path / "runs" / "anew"), read(old)
    assert new.choices == there.choices and "?" not in new.choices.values()
    assert (new.regimen, new.seed, new.metrics["val/loss"]) == (there.regimen, there.seed, there.metrics["val/loss"])
    assert not (studied / "runs" / "anew").exists()


@pytest.mark.thorough
def test_a_fleet_s_trial_gives_the_same_bits_by_itself(studied: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(trial(studied, "fleet", "optimizer=adam/final-3"), tmp_path / "copied"))
    assert read(old).provenance["engine"] == "fleet" and read(old).provenance["fleet"] > 1
    done = call(tmp_path, "--again", str(old), "tracking=none", "name=anew")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the bit" in done.stdout
    assert read(tmp_path / "runs" / "anew").provenance["fleet"] == 1


@pytest.mark.thorough
def test_the_company_of_a_gpu_s_trial_is_its_study_s_or_others_of_its_shape(
    studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = trial(studied, "fleet", "optimizer=adam/final-3")
    cfg = OmegaConf.create(OmegaConf.load(old / "config.yaml"))
    assert isinstance(cfg, DictConfig)
    assert again_fleet.runner(old, read(old), cfg) is None
    size = read(old).provenance["fleet"]
    place, members = again_fleet.fleet_of(old, cfg, size)
    others = {read(path).seed for path in old.parent.glob("final-*") if read(path).provenance["fleet"] == size}
    assert len(members) == size and {one.seed for one in members} <= others
    assert members[place].seed == cfg.seed
    assert not capsys.readouterr().err
    place, members = again_fleet.fleet_of(tmp_path, cfg, 5)
    assert (place, [one.seed for one in members]) == (0, [cfg.seed + i for i in range(5)])
    assert "trials of its fleet are not there" in capsys.readouterr().err
    cfg.trainer.accelerator = "gpu"
    assert again_fleet.runner(old, read(old), cfg) is not None


@pytest.mark.thorough
def test_what_is_named_otherwise_is_another_trial_and_said_so(studied: Path, tmp_path: Path) -> None:
    old = trial(studied, "plain", "optimizer=nadam/final-0")
    done = call(tmp_path, f"--again={old}/result.json", "tracking=none", "epochs=3", "seed=7")
    assert done.returncode == 0, done.stderr
    assert "but a variation: epochs 2 -> 3; seed" in done.stdout.splitlines()[-1]


@pytest.mark.thorough
def test_hydra_itself_takes_a_trial_s_configuration(studied: Path, tmp_path: Path) -> None:
    old = trial(studied, "plain", "optimizer=nadam/final-0")
    done = call(tmp_path, "--config-dir", str(old), "--config-name", "config", "name=plainly")
    assert done.returncode == 0, done.stderr
    new = read(studied / "runs" / "plainly")  # where the configuration says
    assert new.choices == read(old).choices and new.metrics["val/loss"] == read(old).metrics["val/loss"]
    done = call(tmp_path, "--config-path", str(old), "--config-name", "config", "tracking=none")
    assert done.returncode == 2 and "--again DIRECTORY" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--again"], "the directory of a trial has to follow"),
        (["--again", "nowhere"], "no result.json there"),
        (["--again", "{old}", "-m"], "only a directory and overrides"),
        (["--again", "{old}", "optimizer.lr=0.1,0.2"], "trains one trial, without a sweep"),
        (["--again", "{old}", "optimizer.rate=1"], "the trial has no such value"),
        (["--again", "{old}", "hydra.run.dir={old}"], "the trial that is to be trained again lies there"),
        (["--again", "{old}", "tracking=nothing"], "tracking"),
        (["--again", "{old}", "paths.root=/proc/none"], "cannot be written"),
    ],
)
@pytest.mark.thorough
def test_what_cannot_be_trained_again_is_one_line(studied: Path, ask: Ask, arguments: list[str], words: str) -> None:
    old = str(trial(studied, "plain", "optimizer=nadam/final-0"))
    quoted = [one.format(old=old if one == "{old}" else old.replace("=", "\\=")) for one in arguments]
    assert words in ask(*quoted, small=()).error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d / "config.yaml").unlink(), "no config.yaml there"),
        (lambda d: edit(d, status="failed"), "ended as failed"),
        (lambda d: edit(d, status="pruned"), "ended as pruned"),
        (lambda d: edit(d, seed=1), "not what its result was trained with: seed="),
        (lambda d: (d / "config.yaml").write_text("- a list"), "not a configuration"),
        (lambda d: (d / "config.yaml").write_text("a: [b"), "config.yaml"),
        (lambda d: edit(d, provenance={"data": {"hash": "0" * 64}}), "trained on data 000000000000"),
    ],
)
@pytest.mark.thorough
def test_a_directory_that_is_not_what_it_was_is_refused(
    studied: Path, ask: Ask, tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    old = Path(shutil.copytree(trial(studied, "plain", "optimizer=nadam/final-0"), tmp_path / "copy"))
    change(old)
    assert words in ask("--again", str(old), "tracking=none", small=()).error


def edit(directory: Path, **changes: object) -> None:
    path = directory / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_numbers_that_differ_are_named_with_what_may_have_moved_them(train: Train, tmp_path: Path) -> None:
    one, other = train(into="one"), train(into="other")
    assert bits.compare(one, other, tmp_path / "one", tmp_path / "other")[0]
    other.metrics["val/loss"] = 1.25
    other.provenance = {**other.provenance, "versions": {**other.provenance["versions"], "torch": "0.1"}}
    (tmp_path / "other" / "final.safetensors").write_bytes(b"else")
    equal, lines = bits.compare(one, other, tmp_path / "one", tmp_path / "other")
    assert not equal and "NOT equal" in lines[0] and "-> 1.25" in lines[0] and "and the weights" in lines[0]
    assert "-> 0.1" in lines[1]


def test_times_are_no_numbers_of_a_trial() -> None:
    result = Result("completed", "x", 1, {}, "", metrics={"time/train": 1.0, "val/loss": 2.0}, history={"time": [1.0]})
    assert dict(bits.numbers(result)) == {"status": "completed", "val/loss": 2.0}
    assert again.FLAG == "--again"
