"""Race one epoch of the reference work against its peers: `python benchmarks/run.py --help`.

784-300-100-10 SELU, batch 32, one epoch with validation. Contestants are processes that take turns, so that whatever
else the machine does falls on all alike; a ratio is the median over the rounds of ours / theirs in the same round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
RESULTS = ROOT / "benchmarks" / "results"
# Peers live in environments of their own, made on first use.
PEERS = {
    "jax": ("jax==0.10.2", "jaxlib==0.10.2", "optax==0.2.8", "numpy==2.4.6"),
    "keras": ("tensorflow-cpu==2.21.0", "keras==3.15.1", "numpy==2.4.6"),
}
CONTESTANTS = {
    "eager": ("ours.py", "eager"),
    "compiled": ("ours.py", "compiled"),
    "raw": ("raw_loop.py",),
    "products": ("products.py",),
    "lightning": ("stock_lightning.py",),
    "jax": ("jax_scan.py",),
    "keras": ("keras_fit.py",),
}
# (ours, theirs): at most this share of their time.
TARGETS = {
    ("eager", "raw"): 1.10,
    ("compiled", "raw"): 0.75,
    ("compiled", "jax"): 1.0,
    ("eager", "keras"): 1 / 4,
    ("compiled", "keras"): 1 / 6,
    ("eager", "lightning"): 1 / 3.5,
    ("compiled", "lightning"): 1 / 5,
    ("compiled", "products"): 1.3,
}
CASES = ("sgd", "nadam", "regularised")


def python_of(contestant: str) -> str:
    """The interpreter that a contestant runs on; a peer's environment is made where it is missing."""
    if contestant not in PEERS:
        return sys.executable
    home = BUILD / "peers" / contestant
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(PEERS[contestant])} in {home}", file=sys.stderr)
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[contestant]], check=True)
    return str(python)


class Contestant:
    """A process that runs an epoch when told to."""

    def __init__(self, name: str, case: str, folder: Path) -> None:
        script, *arguments = CONTESTANTS[name]
        threads = {} if name == "keras" else {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        # XLA's own settings do not hold it to one thread; one core does.
        core = None if name == "keras" or not hasattr(os, "sched_getaffinity") else max(os.sched_getaffinity(0))
        self.name = name
        self.log = (BUILD / "bench" / f"{name}-{case}.log").open("w")
        self.process = subprocess.Popen(
            [python_of(name), str(ROOT / "benchmarks" / "contestants" / script), str(folder), case, *arguments],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log, "text": True},
            env={**os.environ, **threads},
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )

    def epoch(self) -> float:
        """Seconds of one epoch."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: contestant {self.name} stopped; see {self.log.name}")
        return float(json.loads(line)["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def data(folder: Path, size: int) -> None:
    """Write the race's arrays, Fashion-MNIST as the catalogue loads it, `size` training images."""
    import numpy as np
    from hydra import compose, initialize_config_dir

    from regimens import trial

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = trial.plain(
            compose("train", overrides=["name=bench", f"data.train_size={size}", f"paths.root={ROOT}"])
        )
    split = trial.load_data(config)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("x_train", "y_train", "x_valid", "y_valid"):
        np.save(folder / f"{name}.npy", getattr(split, name).numpy())


def race(case: str, names: list[str], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant in each round; the first turn of each warms up and does not count."""
    contestants = [Contestant(name, case, folder) for name in names]
    try:
        for contestant in contestants:
            print(f"{case}: {contestant.name} warms up, {contestant.epoch():.2f} s", file=sys.stderr)
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for index in range(rounds):
            # Every other round backwards, so that no one always follows the same neighbour.
            for contestant in contestants[:: 1 if index % 2 == 0 else -1]:
                seconds[contestant.name].append(contestant.epoch())
    finally:
        for contestant in contestants:
            contestant.close()
    return seconds


def compare(seconds: dict[str, list[float]]) -> list[dict[str, object]]:
    """One row for each target whose two sides ran."""
    rows = []
    for (ours, theirs), target in TARGETS.items():
        if ours in seconds and theirs in seconds:
            ratios = [a / b for a, b in zip(seconds[ours], seconds[theirs], strict=True)]
            ratio = statistics.median(ratios)
            row = {"ours": ours, "theirs": theirs, "ratio": ratio, "target": target, "met": ratio <= target}
            rows.append({**row, "lowest": min(ratios), "highest": max(ratios), "pairs": len(ratios)})
    return rows


def plot(rows: dict[str, list[dict[str, object]]], path: Path, machine: str) -> None:
    """Each ratio with its range over the pairs, and its target."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    lines = [(f"{case}: {row['ours']} / {row['theirs']}", row) for case, part in rows.items() for row in part]
    figure, axes = plt.subplots(figsize=(8, 0.3 * len(lines) + 1.2), layout="constrained")
    for place, (_, row) in enumerate(reversed(lines)):
        axes.plot([row["lowest"], row["highest"]], [place, place], color="0.7", lw=3)
        axes.plot(row["ratio"], place, "o", color="tab:blue" if row["met"] else "tab:red")
        axes.plot(row["target"], place, "|", color="black", ms=12)
    axes.set_yticks(range(len(lines)), [name for name, _ in reversed(lines)])
    axes.set_xscale("log")
    axes.set_xlabel(f"time of ours / time of theirs (| is the target), {machine}")
    figure.savefig(path)


def main() -> int:
    """Race, print the table, write results; status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default 5)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--size", type=int, default=55_000, help="training images (default all 55,000)")
    parser.add_argument("--name", default="one_trial", help="of the files in benchmarks/results/")
    options = parser.parse_args()

    from regimens.provenance import cores, processor, versions

    folder = BUILD / "bench" / str(options.size)
    data(folder, options.size)
    machine = f"{processor()}, {cores()} cores"
    result = {
        "machine": machine,
        "versions": versions(),
        "peers": PEERS,
        "images": options.size,
        "load": os.getloadavg(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows, seconds = {}, {}
    for case in options.cases:
        seconds[case] = race(case, options.contestants, folder, options.rounds)
        rows[case] = compare(seconds[case])
        for row in rows[case]:
            verdict = "met" if row["met"] else "MISSED"
            print(
                f"{case:12} {row['ours']:9} / {row['theirs']:10} {row['ratio']:.3f}  <= {row['target']:.3f}  {verdict}"
            )
        written = {**result, "seconds": seconds, "rows": rows}
        (RESULTS / f"{options.name}.json").write_text(json.dumps(written, indent=1) + "\n")
    plot(rows, RESULTS / f"{options.name}.svg", machine)
    return 0 if all(row["met"] for part in rows.values() for row in part) else 1


if __name__ == "__main__":
    sys.exit(main())
