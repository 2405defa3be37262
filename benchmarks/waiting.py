"""1,000 trials that wait for a second, 8 workers, whole commands: `python benchmarks/waiting.py --help`.

What is over the ideal (trials * seconds / workers) is start-up, handing out trials, and the table. Ours is the study of
the tests, whose trial sleeps.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from shared import PEERS, ROOT, Figure, NotRun, publish, python_of, seconds_of

TARGET = 1.06
FAKE = ROOT / "tests" / "study" / "fake"


def command(name: str, trials: int, workers: int, seconds: float, directory: str) -> list[str]:
    """The command line of a contestant."""
    if name == "ray":
        script = Path(__file__).parent / "contestants" / "waiting_ray.py"
        return [python_of(name), str(script), str(trials), str(workers), str(seconds), directory]
    own = (f"study.seeds={trials}", f"study.workers={workers}", f"advice.pause={seconds}", "epochs=1")
    return [sys.executable, str(FAKE / "app.py"), "-m", "optimizer=sgd", *own]


def main() -> int:
    """Race once, print the table, write results; status 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a trial")
    parser.add_argument("--contestants", nargs="+", choices=("ours", "ray"), default=["ours", "ray"])
    options = parser.parse_args()
    ideal = options.trials * options.seconds / options.workers
    spent: dict[str, float] = {}
    not_run: dict[str, str] = {}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FAKE), str(ROOT / "src")])}
    for name in options.contestants:
        try:
            line = partial(command, name, options.trials, options.workers, options.seconds)
            spent[name] = seconds_of(line, f"waiting-{name}", environment)
            print(f"{name}: {spent[name]:.1f} s, {spent[name] / ideal:.3f} of the ideal", file=sys.stderr)
        except NotRun as error:
            not_run[name] = str(error)
    figures = [Figure("waiting trials, ours / ideal", [spent["ours"] / ideal], TARGET)] if "ours" in spent else []
    if len(spent) == 2:
        figures.append(Figure("waiting trials, ours / Ray Tune", [spent["ours"] / spent["ray"]], 1.0))
    return publish("waiting", figures, not_run, peers=PEERS, seconds=spent, ideal=ideal)


if __name__ == "__main__":
    sys.exit(main())
