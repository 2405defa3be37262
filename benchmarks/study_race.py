"""Race one study of 24 trials against its peers, whole processes: `python benchmarks/study_race.py --help`.

8 optimisers x 3 learning rates, 2 epochs each of 784-300-100-10 SELU, batch 32, on two cores; what counts is trials an
hour of the whole command, start-up, tracking and the table at the end included. Ours runs twice in a round: with
nothing compiled yet, and with its code on the disk. One round at full size takes a quarter of an hour, so a smaller one
is the default; rounds alternate from two on.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from shared import BUILD, PEERS, ROOT, Figure, NotRun, publish, python_of, seconds_of, write_data

TRIALS, COLD, WARM = 24, 4.0, 4.5
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


def times_of(name: str, data: Path, size: int) -> list[float]:
    """Seconds of a contestant's command; of ours, and of the same again. Raises NotRun where it fails."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TMPDIR": cache}
        line = partial(command, name, data, size)
        taken = [seconds_of(line, f"study-{name}", environment) for _ in range(2 if name == "ours" else 1)]
    told = " and ".join(f"{one:.1f} s, {TRIALS * 3600 / one:.0f} trials an hour" for one in taken)
    print(f"study of {size} images: {name}: {told}", file=sys.stderr)
    return taken


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
    os.sync()  # else the first command waits for the disk
    taken: dict[str, list[list[float]]] = {name: [] for name in options.contestants}
    not_run: dict[str, str] = {}
    started = os.getloadavg()
    for number in range(options.rounds):
        for name in options.contestants[:: 1 if number % 2 == 0 else -1]:
            if name not in taken:
                continue
            try:
                taken[name].append(times_of(name, data, options.size))
            except NotRun as error:
                not_run[f"study: {name}"] = str(error)
                del taken[name]
    figures = [
        Figure(f"study: trials an hour, ours{state} / {name}", ratios, target, at_least=True)
        for name, theirs in taken.items()
        for i, (state, target) in enumerate((("", COLD), (", code on disk", WARM)))
        if name != "ours" and (ratios := [b[0] / a[i] for a, b in zip(taken.get("ours", []), theirs, strict=False)])
    ]
    how = {"peers": PEERS, "images": options.size, "load_before": started}
    return publish("study_race", figures, not_run, **how, seconds=taken)


if __name__ == "__main__":
    sys.exit(main())
