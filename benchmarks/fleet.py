"""The digits net (64-300-100-10, batch 32): 32 whole trials as a study's fleets against one at a time, in turn.

One thread, so the processor's own time is counted, which other programs disturb less than the clock's.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from shared import ROOT, Figure, one_core, publish, raise_first

TRIALS, PLAIN, ROUNDS, TARGET = 32, 4, 5, 4.0
BESIDE = 20.0  # milliseconds


def main() -> int:
    """Print and write trials a second, fleet over plain; status 1 where the target is missed."""
    import os

    import torch
    from hydra import compose, initialize_config_dir

    from regimens import trial
    from regimens.trial import engine_choice
    from regimens.trial.task import Task

    torch.set_num_threads(1)
    if core := one_core():
        os.sched_setaffinity(0, core)
    overrides = ["name=bench", "data=digits", "tracking=none", "activation=selu", "init=lecun_normal"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        configs = [compose("train", [*overrides, f"paths.root={ROOT}", f"seed={i}"]) for i in range(TRIALS)]
    size = engine_choice.FLEET["cpu"]

    def tasks_in(folder: Path, count: int) -> list[Task]:
        return [Task(configs[i], folder / str(i), {}) for i in range(count)]

    def seconds(folder: Path, *, fleet: bool) -> float:
        """Of one trial."""
        count = TRIALS if fleet else PLAIN
        tasks = tasks_in(folder, count)
        start = time.process_time()
        for first in range(0, count, size if fleet else 1):
            if fleet:
                raise_first(trial.run_fleet(tasks[first : first + size]))
            else:
                trial.run(tasks[first].config, folder / str(first), choices={})
        return (time.process_time() - start) / count

    def beside(folder: Path) -> float:
        """Milliseconds of setting up and writing one of a fleet's trials, by the clock."""
        tasks = tasks_in(folder, min(size, TRIALS))
        start = time.perf_counter()
        raise_first(trial.run_fleet(tasks))
        taken = time.perf_counter() - start
        trained = [
            json.loads((folder / str(i) / "result.json").read_text())["durations"]["train"] for i in range(len(tasks))
        ]
        return 1e3 * (taken - sum(trained)) / len(tasks)

    rounds, others = [], []
    with tempfile.TemporaryDirectory() as home:
        for i in range(ROUNDS + 1):
            rounds.append([seconds(Path(home) / f"{i}-{fleet}", fleet=fleet) for fleet in (False, True)])
            others.append(beside(Path(home) / f"{i}-beside"))
    rounds = rounds[1:]
    what = f"fleets of {size}: trials a second over the plain path's"
    figure = Figure(what, [plain / fleet for plain, fleet in rounds], TARGET, at_least=True)
    set_up = Figure("set-up and writing a member", others[1:], BESIDE, "ms")
    return publish("fleet", [figure, set_up], {}, trials=TRIALS, epochs=configs[0].epochs, seconds=rounds)


if __name__ == "__main__":
    sys.exit(main())
