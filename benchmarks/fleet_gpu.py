"""The reference net (784-300-100-10, SGD, batch 32) on one GPU: 512 trials of 25 epochs as one fleet.

Against one trial at a time, against the same fleet in JAX, and against the memory floor: what it takes to move each
weight and gradient through the GPU's memory once for each pass. `--smoke` runs all of it, small, on a processor.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import ROOT, Figure, NotRun, publish, python_of, raise_first, write_data

# Microseconds of one trial and step: 266,200 weights and their gradients through HBM3e once.
FLOOR = 1.2
SECONDS, TIMES_ONE, OVER_JAX = 120.0, 100.0, 1.0


@dataclass(frozen=True)
class Size:
    """How much is trained where."""

    trials: int
    epochs: int
    images: int
    overrides: tuple[str, ...]
    jax: str

    @property
    def steps(self) -> int:
        """Of one trial and epoch."""
        return -(-self.images // 32)


FULL = Size(512, 25, 55_000, ("trainer=gpu",), "jax_cuda")
SMOKE = Size(4, 1, 2_000, ("trainer=cpu",), "jax")


def configs(size: Size) -> list[Any]:
    """One configuration a trial: another seed and learning rate each."""
    from hydra import compose, initialize_config_dir

    base = ["name=bench", "tracking=none", "activation=selu", "init=lecun_normal", "optimizer=sgd", "seed=0"]
    base += [f"epochs={size.epochs}", f"data.train_size={size.images}", f"paths.root={ROOT}", *size.overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        first = compose("train", base)
    found = []
    for i in range(size.trials):
        cfg = first.copy()
        cfg.seed, cfg.optimizer.lr = i, 0.001 * 100 ** (i / size.trials)
        found.append(cfg)
    return found


def ours(size: Size, folder: Path) -> tuple[float, float]:
    """Seconds of the whole fleet, and of one of its epochs."""
    from regimens import trial
    from regimens.core.result import Result
    from regimens.trial.task import Task

    tasks = [Task(cfg, folder / str(i), {}) for i, cfg in enumerate(configs(size))]
    start = time.perf_counter()
    results = trial.run_fleet(tasks)
    whole = time.perf_counter() - start
    raise_first(results)
    trained = [one for one in results if isinstance(one, Result)]
    alone = [one.provenance.get("engine_note") for one in trained if one.provenance["engine"] != "fleet"]
    if alone:
        raise RuntimeError(f"{len(alone)} trials were trained alone: {alone[0]}")
    return whole, sum(one.durations["train"] for one in trained) / size.epochs


def one_at_a_time(size: Size, folder: Path) -> float:
    """Seconds of one trial on its own on the same device: two trials of an epoch each, the second of which counts."""
    from regimens import trial

    cfg = configs(size)[0]
    cfg.epochs = 1
    for i in range(2):
        trained = trial.run(cfg, folder / f"alone{i}", choices={})
    parts = trained.durations
    return parts["setup"] + parts["train"] * size.epochs + parts["evaluate"]


def jax(size: Size, folder: Path, python: str, precision: str) -> float:
    """Seconds of an epoch of the fleet in JAX, compilation aside. Raises NotRun."""
    write_data(folder, size.images)
    program = ROOT / "benchmarks" / "contestants" / "jax_fleet.py"
    command = [python or python_of(size.jax), str(program), str(folder), str(size.trials), precision]
    env = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # the fleet's memory is not given back
    done = subprocess.run(command, input="\n\n\n", capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise NotRun((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return min(json.loads(line)["seconds"] for line in done.stdout.splitlines()[1:])


def main() -> int:
    """Print and write the figures; status 1 where a target is missed, 2 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a few trials on a processor: whether it runs at all")
    parser.add_argument("--jax", default="", metavar="PYTHON", help="an interpreter with JAX for this GPU, and optax")
    asked = parser.parse_args()
    size = SMOKE if asked.smoke else FULL
    import torch

    if size is FULL and not torch.cuda.is_available():
        print("no GPU here; --smoke runs it small on a processor", file=sys.stderr)
        return 2
    not_run, figures = {}, []
    with tempfile.TemporaryDirectory() as home:
        whole, epoch = ours(size, Path(home))
        figures.append(Figure(f"{size.trials} trials x {size.epochs} epochs as one fleet", [whole], SECONDS, "s"))
        alone = one_at_a_time(size, Path(home)) * size.trials
        what = "trials an hour over one trial at a time"
        figures.append(Figure(what, [alone / whole], TIMES_ONE, at_least=True))
        for precision in ("float32", "default"):
            try:
                theirs = jax(size, Path(home) / "data", asked.jax, precision)
                figures.append(Figure(f"an epoch over JAX's (vmap, scan), {precision}", [epoch / theirs], OVER_JAX))
            except NotRun as reason:
                not_run[f"jax, {precision}"] = str(reason)
    step = epoch / (size.trials * size.steps) * 1e6
    print(f"a trial and step, validation included: {step:.2f} us, {step / FLOOR:.1f} x the memory floor of {FLOOR} us")
    device = torch.cuda.get_device_name() if size is FULL else "processor"
    name = "fleet_gpu" if size is FULL else "fleet_gpu_smoke"
    return publish(name, figures, not_run, device=device, microseconds=step, floor=FLOOR)


if __name__ == "__main__":
    sys.exit(main())
