"""Race one study of 24 trials against its peers, whole processes: `python benchmarks/study_race.py --help`.

8 optimisers x 3 learning rates, 2 epochs each of 784-300-100-10 SELU, batch 32, on two cores; what counts is trials an
hour of the whole command, start-up, tracking and the table at the end included. One round at full size takes a quarter
of an hour, so a smaller one is the default; rounds alternate from two on.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from shared import BUILD, PEERS, ROOT, Figure, NotRun, publish, python_of, seconds_of, write_data

TRIALS, TARGET = 24, 5.0
SCRIPTS = Path(__file__).parent / "contestants"
# Optuna twice: as its Lightning example has it, and with the second process that its guide on parallel runs starts.
PEERS_OF_STUDY = {
    "optuna": ("study_optuna.py", "1"),
    "optuna_2": ("study_optuna.py", "2"),
    "ray": ("study_ray.py",),
    "keras": ("study_keras.py",),
}
OPTIMIZERS = "sgd,momentum,nesterov,adagrad,rmsprop,adam,nadam,adamw"


def command(name: str, data: Path, size: int, directory: str) -> list[str]:
    """The command line of a contestant."""
    if name != "ours":
        script, *more = PEERS_OF_STUDY[name]
        return [python_of(name), str(SCRIPTS / script), str(data), directory, *more]
    return [
        *(sys.executable, str(ROOT / "src" / "train.py"), "-m", f"optimizer={OPTIMIZERS}"),
        *("optimizer.lr=0.001,0.003,0.01", "epochs=2", "activation=selu", "init=lecun_normal", "study.workers=2"),
        *("advice=off", f"data.train_size={size}", f"paths.root={directory}", f"paths.data={ROOT}/data"),
        f"data.cache={ROOT}/cache",
    ]


def main() -> int:
    """Race, print the table, write results; status 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["ours", *PEERS_OF_STUDY]
    parser.add_argument("--size", type=int, default=10_000, help="training images (default 10,000; all: 55000)")
    parser.add_argument("--rounds", type=int, default=2, help="default 2")
    parser.add_argument("--contestants", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    data = BUILD / "bench" / str(options.size)
    write_data(data, options.size)
    taken: dict[str, list[float]] = {name: [] for name in options.contestants}
    not_run: dict[str, str] = {}
    started = os.getloadavg()
    for number in range(options.rounds):
        for name in options.contestants[:: 1 if number % 2 == 0 else -1]:
            if name not in taken:
                continue
            try:
                taken[name].append(seconds_of(partial(command, name, data, options.size), f"study-{name}"))
                line = f"{taken[name][-1]:.1f} s, {TRIALS * 3600 / taken[name][-1]:.0f} trials an hour"
                print(f"study of {options.size} images: {name}: {line}", file=sys.stderr)
            except NotRun as error:
                not_run[f"study: {name}"] = str(error)
                del taken[name]
    ours = taken.get("ours", [])
    figures = [
        Figure(f"study: trials an hour, ours / {name}", ratios, TARGET, at_least=True)
        for name, theirs in taken.items()
        if name != "ours" and (ratios := [b / a for a, b in zip(ours, theirs, strict=False)])
    ]
    how = {"peers": PEERS, "images": options.size, "load_before": started}
    return publish("study_race", figures, not_run, **how, seconds=taken)


if __name__ == "__main__":
    sys.exit(main())
