"""The benchmarks' contestants that need no environment of their own still run, each in a process as in a race."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
OURS = [("ours.py", engine) for engine in ("eager", "compiled")]
PEERS = [("raw_loop.py",), ("products.py",), ("stock_lightning.py",)]
RACES = [(case, one) for case in ("sgd", "nadam", "regularised") for one in (*OURS, *PEERS)]
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
