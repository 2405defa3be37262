"""Race one epoch of the reference work against its peers: `python benchmarks/one_trial.py --help`.

784-300-100-10 SELU, batch 32, one epoch with validation; in case cnn the network of model=cnn. Contestants are
processes that take turns, so that whatever else the machine does falls on all alike; a ratio is the median over the
rounds of ours / theirs in the same round.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from shared import BUILD, PEERS, ROOT, Figure, NotRun, one_core, publish, python_of, write_data

CONTESTANTS = {
    "eager": ("ours.py", "eager"),
    "compiled": ("ours.py", "compiled"),
    "raw": ("raw_loop.py",),
    "torch_compile": ("compiled_loop.py",),
    "products": ("products.py",),
    "lightning": ("stock_lightning.py",),
    "jax": ("jax_scan.py",),
    "keras": ("keras_fit.py",),
}
# (ours, theirs): at most this share of their time.
TARGETS = {
    ("eager", "raw"): 1.10,
    ("compiled", "raw"): 0.75,
    ("eager", "keras"): 1 / 4,
    ("compiled", "keras"): 1 / 6,
    ("eager", "lightning"): 1 / 3.5,
    ("compiled", "lightning"): 1 / 5,
}
BY_CASE = {
    "sgd": {("compiled", "jax"): 1.0, ("compiled", "products"): 1.2},
    "nadam": {("compiled", "jax"): 0.9, ("compiled", "products"): 1.35},
    "regularised": {("compiled", "jax"): 0.95, ("compiled", "products"): 1.5},
}
# A convolutional network's arithmetic is most of its step, whoever calls it.
CNN = {("compiled", "torch_compile"): 1.0, ("compiled", "jax"): 1.0, ("compiled", "lightning"): 1 / 2.5}
CASES = ("sgd", "nadam", "regularised", "cnn")
Turn = dict[str, float]


class Contestant:
    """A process that runs an epoch when told to. Raises NotRun where it cannot be installed or stops."""

    def __init__(self, name: str, case: str, folder: Path) -> None:
        script, *arguments = CONTESTANTS[name]
        # Keras may have all the threads that it wants. XLA's own settings do not hold it to one thread; one core does.
        core = None if name == "keras" else one_core()
        threads = {} if name == "keras" else {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.name = name
        self.log = (BUILD / "bench" / f"{name}-{case}.log").open("w")
        self.process = subprocess.Popen(
            [python_of(name), str(ROOT / "benchmarks" / "contestants" / script), str(folder), case, *arguments],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log, "text": True},
            env={**os.environ, **threads},
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, core),
        )

    def epoch(self) -> Turn:
        """Seconds of one epoch by the clock ("seconds"), and of the processor ("cpu")."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            raise NotRun(f"stopped; see {self.log.name}") from error

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def race(case: str, names: list[str], folder: Path, rounds: int, not_run: dict[str, str]) -> dict[str, list[Turn]]:
    """The turns of each contestant; the first of each warms up (and compiles) and stands apart as turn 0."""
    contestants: list[Contestant] = []
    turns: dict[str, list[Turn]] = {}
    try:
        for name in names:
            try:
                contestant = Contestant(name, case, folder)
                contestants.append(contestant)
                turns[name] = [contestant.epoch()]
                print(f"{case}: {name} warms up, {turns[name][0]['seconds']:.2f} s", file=sys.stderr)
            except NotRun as error:
                not_run[f"{case}: {name}"] = str(error)
        running = [contestant for contestant in contestants if contestant.name in turns]
        for index in range(rounds):
            # Every other round backwards, so that no one always follows the same neighbour.
            for contestant in running[:: 1 if index % 2 == 0 else -1]:
                turns[contestant.name].append(contestant.epoch())
    finally:
        for contestant in contestants:
            contestant.close()
    return turns


def entered(case: str, names: list[str]) -> list[str]:
    """Of these contestants, those that have the network of a case."""
    with_cnn = ("eager", "compiled", "torch_compile", "jax", "lightning")
    return [name for name in names if (name in with_cnn if case == "cnn" else name != "torch_compile")]


def compare(case: str, turns: dict[str, list[Turn]], clock: str) -> list[Figure]:
    """One figure for each target whose two sides ran."""
    figures = []
    for (ours, theirs), target in (CNN if case == "cnn" else TARGETS | BY_CASE[case]).items():
        if ours in turns and theirs in turns:
            pairs = zip(turns[ours][1:], turns[theirs][1:], strict=True)
            figures.append(Figure(f"{case}: {ours} / {theirs}", [a[clock] / b[clock] for a, b in pairs], target))
    return figures


def main() -> int:
    """Race, print the table, write results; status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default 5)")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--contestants", nargs="+", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    parser.add_argument("--size", type=int, default=55_000, help="training images (default all 55,000)")
    parser.add_argument("--clock", choices=("seconds", "cpu"), default="seconds", help="cpu: on a busy machine")
    options = parser.parse_args()

    folder = BUILD / "bench" / str(options.size)
    write_data(folder, options.size)
    figures: list[Figure] = []
    not_run: dict[str, str] = {}
    turns = {}
    for case in options.cases:
        turns[case] = race(case, entered(case, options.contestants), folder, options.rounds, not_run)
        figures += compare(case, turns[case], options.clock)
    return publish(
        "one_trial",
        figures,
        not_run,
        **{"peers": PEERS, "images": options.size, "clock": options.clock, "turns": turns},
    )


if __name__ == "__main__":
    sys.exit(main())
