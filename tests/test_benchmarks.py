"""The benchmarks and their contestants still run, small, as far as they need no environment of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OURS = [("ours.py", engine) for engine in ("eager", "compiled")]
PEERS = [("raw_loop.py",), ("products.py",), ("stock_lightning.py",)]
RACES = [(case, one) for case in ("sgd", "nadam", "regularised") for one in (*OURS, *PEERS)]
# Program: what makes it small, and how it is then called.
TOYS = {
    "auto": ('auto.cases = lambda: [auto.Case("toy", ("data=digits",), 2, 1149, 100)]', "--pairs", "1"),
    "calibration": ("", "16"),
    "compiling": ("", "--rounds", "1", "--data", "digits"),
    "fleet": ("fleet.TRIALS = fleet.PLAIN = 2; fleet.ROUNDS = 1",),
    "fleet_gpu": ("", "--smoke"),
    "growth": ("growth.NETWORKS = {'toy': (8,)}; growth.ROUNDS = growth.EPOCHS = 1; growth.EXAMPLES = (2000,)",),
    "one_trial": ("", "--rounds", "1", "--cases", "sgd", "--contestants", "eager", "raw", "--size", "1000"),
    "start_up": ("", "--pairs", "1"),
    "storage": ("storage.WORKERS = storage.PROCESSES = (1, 2); storage.DONE = (10,)", "20"),
    "study_overhead": ("", "40"),
    "waiting": ("", "--trials", "4", "--workers", "2", "--seconds", "0.1", "--contestants", "ours"),
    "study_race": ("", "--size", "1000", "--rounds", "1", "--contestants", "ours"),
}
RACES += [("cnn", one) for one in (*OURS, ("compiled_loop.py",), ("stock_lightning.py",))]


@pytest.mark.slow
@pytest.mark.timeout(900)  # two of them compile a convolutional network
@pytest.mark.parametrize(
    ("case", "contestant"), RACES, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_a_contestant_of_one_trial_says_how_long_its_epoch_took(
    case: str, contestant: tuple[str, ...], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    for part, n in (("train", 640), ("valid", 100)):
        np.save(tmp_path / f"x_{part}.npy", random.normal(size=(n, 784)).astype(np.float32))
        np.save(tmp_path / f"y_{part}.npy", random.integers(0, 10, n))
    script, *arguments = contestant
    command = [sys.executable, str(BENCHMARKS / "contestants" / script), str(tmp_path), case, *arguments]
    done = subprocess.run(command, input="go\ngo\n", capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cpu"] > 0
    assert 0 < told["seconds"] < 60


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TOYS)
def test_a_benchmark_runs_small_and_writes_its_figures(name: str, tmp_path: Path) -> None:
    for part in ("src", "conf", "tests", "pyproject.toml"):
        (tmp_path / part).symlink_to(BENCHMARKS.parent / part)
    own = tmp_path / "benchmarks"
    shutil.copytree(BENCHMARKS, own, ignore=shutil.ignore_patterns("results", "__pycache__"))
    (own / "results").mkdir()
    small, *arguments = TOYS[name]
    code = f"import sys; import {name}; {small or 'pass'}; sys.exit({name}.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=own, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1), done.stderr  # 1: a target is missed, as toys may
    (written,) = (own / "results").glob("*.json")
    assert json.loads(written.read_text())


def test_every_benchmark_has_a_toy() -> None:
    programs = {path.stem for path in BENCHMARKS.glob("*.py")}
    assert programs - {"run", "shared"} == TOYS.keys()
