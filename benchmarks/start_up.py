"""How long until something happens: help, and the first training step, beside the imports that nothing can avoid.

command: python benchmarks/start_up.py [--pairs 7]
Each pair is one process of ours and one of the bare imports, in turn, on files that are already in memory.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shared import ROOT, Figure, publish

TRAIN = str(ROOT / "src" / "train.py")
HYDRA = [sys.executable, "-c", "import hydra"]
TORCH = [sys.executable, "-c", "import torch, pytorch_lightning"]
# The command line, run in a process that ends where the first training step would begin.
FIRST_STEP = """
import os, sys
from importlib import abc, machinery

class Watch(abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "regimens.training.module":
            return None
        sys.meta_path.remove(self)
        spec = machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module
        def execute(module):
            run(module)
            module.RegimenModule.training_step = lambda *parts: os._exit(0)
        spec.loader.exec_module = execute
        return spec

sys.meta_path.insert(0, Watch())
from regimens.cli import main
main(["train.py", *sys.argv[1:]])
os._exit(1)
"""


def seconds(command: list[str], folder: str) -> float:
    """How long a command takes, from start to end. Raises CalledProcessError where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def mlflow(trials: int, folder: str) -> list[float]:
    """Seconds that MLflow takes for one trial of ten epochs, its SQLite database there and warm."""
    from datetime import UTC, datetime

    from regimens.core.result import Result, write
    from regimens.tracking.mlflow import Mlflow

    tracker, taken = Mlflow(f"sqlite:///{folder}/mlflow.db", "bench", f"{folder}/mlartifacts"), []
    names = ("epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "time")
    for number in range(trials + 1):
        regimen = {"optimizer": {"lr": 0.01}, "model": {"hidden": [300, 100]}, "number": number}
        history = {name: [float(epoch) for epoch in range(1, 11)] for name in names}
        result = Result("completed", "bench", number, regimen, str(number), {"optimizer": "sgd"}, history=history)
        result.provenance["started"] = datetime.now(UTC).isoformat(timespec="seconds")
        directory = Path(folder) / f"trial-{number}"
        write(result, directory)
        start = time.perf_counter()
        tracker.log(result, directory)
        taken.append(time.perf_counter() - start)
    return taken[1:]


def main() -> int:
    """Measure, print and write; status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7, help="counted pairs (default 7)")
    options = parser.parse_args()
    help_over, step_over, turns = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        overrides = ["epochs=1", "tracking=none", f"paths.data={ROOT}/data", f"data.cache={ROOT}/cache"]
        contestants = {
            "help": [sys.executable, TRAIN, "--help"],
            "hydra": HYDRA,
            "first step": [sys.executable, "-c", FIRST_STEP, *overrides],
            "torch": TORCH,
        }
        for number in range(options.pairs + 1):
            order = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
            taken = {name: seconds(contestants[name], folder) for name in order}
            turns.append(taken)
            if number:  # the first reads the files from the disk
                help_over.append(taken["help"] / (1.3 * taken["hydra"] + 0.3))
                step_over.append(taken["first step"] / taken["torch"])
        tracked = mlflow(20, folder)
    figures = [
        Figure("start: train.py --help / (1.3 x import hydra + 0.3 s)", help_over, 1.0),
        Figure("start: first training step / import torch, PL", step_over, 1.3),
        Figure("MLflow: one trial, warm", tracked, 0.1, "s"),
    ]
    return publish("start_up", figures, {}, turns=turns)


if __name__ == "__main__":
    sys.exit(main())
