"""The networks from which to transfer, as a stage of the pipeline makes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import script

ROOT = Path(__file__).resolve().parent.parent


def test_without_a_study_and_a_folder_it_says_what_to_do() -> None:
    done = subprocess.run([sys.executable, "src/pretrain.py", "data=digits"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: name a study")


@pytest.mark.slow
def test_the_weights_of_every_final_are_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretrain = script(ROOT / "src" / "pretrain.py")
    monkeypatch.chdir(tmp_path)
    small = ["data=digits", "data.train_size=300", "epochs=1", "tracking=none"]
    weights = set()
    for seed in (1, 2):
        assert pretrain.main(["task_a", "models", *small, "study.seeds=2", f"seed={seed}"]) == 0
        weights |= {(tmp_path / "models" / f"a-{number}" / "final.safetensors").read_bytes() for number in (1, 2)}
    assert len(weights) == 4  # a report that is made again from another seed transfers from other networks
