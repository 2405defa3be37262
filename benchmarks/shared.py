"""What the benchmarks share: peers' environments, figures beside their targets, the data, files of results."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
RESULTS = ROOT / "benchmarks" / "results"
# Peers live in environments of their own, made on first use; who is not named here runs in the project's.
PEERS = {
    "jax": ("jax==0.10.2", "jaxlib==0.10.2", "optax==0.2.8", "numpy==2.4.6"),
    "jax_cuda": ("jax[cuda12]==0.10.2", "optax==0.2.8", "numpy==2.4.6"),
    "keras": ("tensorflow-cpu==2.21.0", "keras==3.15.1", "keras-tuner==1.4.8", "tensorboard==2.20.0", "numpy==2.4.6"),
    "ray": ("ray[tune]==2.60.0", "torch==2.13.0", "pytorch-lightning==2.6.6", "torchmetrics==1.9.0", "numpy==2.4.6"),
}


class NotRun(Exception):  # noqa: N818 - it says what became of a contestant
    """A contestant that could not run, and why; the others go on."""


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark: the median of `values`, beside the `target` that it is held to."""

    what: str
    values: Sequence[float]
    target: float
    unit: str = "x"
    at_least: bool = False
    median: float = field(init=False)
    met: bool = field(init=False)

    def __post_init__(self) -> None:
        median = statistics.median(self.values)
        object.__setattr__(self, "median", median)
        object.__setattr__(self, "met", median >= self.target if self.at_least else median <= self.target)

    def __str__(self) -> str:
        sign, spread = ">=" if self.at_least else "<=", ""
        if len(self.values) > 1:
            spread = f"  ({min(self.values):.3g} to {max(self.values):.3g}, n={len(self.values)})"
        verdict = "met" if self.met else "MISSED"
        return f"{self.what:44} {self.median:8.3f} {self.unit:2} {sign} {self.target:.3f}  {verdict}{spread}"


def python_of(peer: str) -> str:
    """The interpreter of a peer; its environment is made where it is missing. Raises NotRun where that fails."""
    if peer not in PEERS:
        return sys.executable
    home = BUILD / "peers" / peer
    python, stamp = home / "bin" / "python", home / "installed"
    wanted = "\n".join(PEERS[peer])
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {', '.join(PEERS[peer])} in {home.relative_to(ROOT)}", file=sys.stderr)
        try:
            venv.create(home, with_pip=True, clear=True, symlinks=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[peer]], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotRun(f"{peer} cannot be installed ({error})") from error
        stamp.write_text(wanted)
    return str(python)


def raise_first(outcomes: Sequence[Any]) -> None:
    """Raise the first of a fleet's outcomes that is an exception."""
    if wrong := next((one for one in outcomes if isinstance(one, Exception)), None):
        raise wrong


def one_core() -> set[int] | None:
    """The core that one-threaded contestants share, turn by turn; None where the system cannot hold one to it."""
    return {max(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else None


def seconds_of(command: Callable[[str], list[str]], log: str, environment: Mapping[str, str] | None = None) -> float:
    """How long a whole command takes that works in a fresh directory; raises NotRun where it fails.

    command: from the directory to the command line. log: the name of what it prints, below build/bench.
    """
    (BUILD / "bench").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, (BUILD / "bench" / f"{log}.log").open("w") as output:
        line = command(directory)
        start = time.perf_counter()
        done = subprocess.run(line, cwd=directory, env=environment, stdout=output, stderr=output, check=False)
        taken = time.perf_counter() - start
    if done.returncode:
        raise NotRun(f"ended with status {done.returncode}; see {output.name}")
    return taken


def publish(name: str, figures: Sequence[Figure], not_run: Mapping[str, str], **more: Any) -> int:
    """Print the figures, write `benchmarks/results/<name>.json`; the exit status: 1 where a target is missed."""
    from regimens.core.provenance import processor, usable_cores, versions

    for figure in figures:
        print(figure)
    for who, why in not_run.items():
        print(f"{who:44} not run: {why}")
    written = {
        **{"machine": f"{processor()}, {usable_cores()} cores", "load": os.getloadavg(), "versions": versions()},
        **{"figures": [asdict(figure) for figure in figures], "not_run": dict(not_run), **more},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=1) + "\n")
    return 0 if all(figure.met for figure in figures) else 1


def write_data(folder: Path, size: int) -> None:
    """Write Fashion-MNIST as the catalogue loads it, `size` training images, as arrays that every contestant reads."""
    import numpy as np
    from hydra import compose, initialize_config_dir

    from regimens.trial.composition import load_data
    from regimens.trial.regimen import plain

    overrides = ["name=bench", f"data.train_size={size}", f"paths.root={ROOT}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        split = load_data(plain(compose("train", overrides=overrides)))
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("x_train", "y_train", "x_valid", "y_valid"):
        np.save(folder / f"{name}.npy", getattr(split, name).numpy())
