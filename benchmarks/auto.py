"""Whole studies with `engine=auto` against `engine=eager`, just where the rules begin to take another engine.

command: python benchmarks/auto.py [--pairs 5]
There the gain is smallest; nothing is compiled yet when a study begins. What counts is the whole command's time.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from shared import ROOT, Figure, publish

TARGET = 1.05


@dataclass(frozen=True)
class Case:
    """A study of `trials` trials that takes at least `steps` steps: as few epochs as that can be."""

    name: str
    overrides: tuple[str, ...]
    trials: int
    examples: int
    steps: int

    @property
    def epochs(self) -> int:
        """Epochs of each trial."""
        return math.ceil(self.steps / self.trials / math.ceil(self.examples / 32))


def cases() -> list[Case]:
    """Studies on both sides of each threshold of `regimens.trial.engine_choice` on this machine."""
    from regimens.training.engines import compiler
    from regimens.trial import engine_choice

    cores, digits, fashion = engine_choice.machine_cores(), ("data=digits",), ("data.train_size=10000",)
    few, many = 2 * cores, engine_choice.FEWEST["cpu"] * cores
    compiled = compiler.PROCESS * cores + compiler.Work(layers=3).network * cores  # of SGD, one while others wait
    return [
        Case("short trials: eager", digits, many, 1149, engine_choice.PREPARED["cpu"] * cores // 10),
        Case("fleets", digits, many, 1149, engine_choice.PREPARED["cpu"] * cores),
        Case("small net, compiled", digits, few, 1149, compiled),
        Case("large net, compiled", fashion, few, 10_000, compiled),
    ]


def seconds(case: Case, engine: str) -> tuple[float, str]:
    """How long the study takes from the command to its table, and which engine its trials had."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            *(sys.executable, str(ROOT / "src" / "train.py"), "-m", "optimizer=sgd", f"engine={engine}", "advice=off"),
            *(f"epochs={case.epochs}", f"study.seeds={case.trials}", f"study.workers={os.cpu_count()}"),
            *("activation=selu", "init=lecun_normal", "tracking=none", f"paths.root={directory}"),
            *(f"paths.data={ROOT}/data", *case.overrides),
        ]
        start = time.perf_counter()
        subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken = time.perf_counter() - start
        results = [path.read_text() for path in Path(directory).rglob("result.json")]
    ran = {name for name in ("eager", "compiled", "fleet") if any(f'"engine": "{name}"' in text for text in results)}
    return taken, "+".join(sorted(ran))


def main() -> int:
    """Measure, print and write; status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [case.name for case in cases()]
    parser.add_argument("--pairs", type=int, default=5, help="default 5")
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    figures, turns = [], {}
    for case in cases():
        if case.name not in options.cases:
            continue
        pairs = []
        for number in range(options.pairs):
            order = ("eager", "auto") if number % 2 == 0 else ("auto", "eager")
            pairs.append({engine: seconds(case, engine) for engine in order})
            print(f"{case.name}, {case.trials} x {case.epochs} epochs: {pairs[-1]}", file=sys.stderr)
        turns[case.name] = pairs
        ratios = [pair["auto"][0] / pair["eager"][0] for pair in pairs]
        figures.append(Figure(f"study, auto / eager: {case.name}", ratios, TARGET))
    return publish("auto", figures, {}, turns=turns)


if __name__ == "__main__":
    sys.exit(main())
