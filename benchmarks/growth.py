"""What a step costs by the network's size, and what data cost by how many there are: `python benchmarks/growth.py`.

Networks of 1,000 to 10 million weights on digits, each engine in turn with its code on disk, one thread.
Arrays of 100 numbers an example, a whole command of one epoch each: its time, and the most memory that it held.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shared import ROOT, publish, raise_first

# Hidden layers on 64 pixels and 10 classes, by about how many weights there are.
NETWORKS = {
    "1 k": (14,),
    "10 k": (100, 30),
    "50 k": (300, 100),
    "250 k": (600, 320),
    "1 M": (1200, 750),
    "10 M": (3500, 2800),
}
ENGINES = ("eager", "compiled", "fleet")
EXAMPLES = (10_000, 100_000, 1_000_000)
COLUMNS = 100
MEMBERS, ROUNDS, EPOCHS = 4, 3, 10
STEPS = 36  # an epoch, on digits' 1,137 training examples


def step_seconds(hidden: tuple[int, ...], home: Path) -> dict[str, float]:
    """Seconds of a step of SGD on 32 digits with each engine, validation included: medians of ROUNDS."""
    from hydra import compose, initialize_config_dir

    from regimens import trial
    from regimens.trial.task import Task

    # Ten million weights take a tenth of a second a step: a smaller number of them tells as much.
    epochs = EPOCHS if sum(hidden) < 2000 else 2
    overrides = ["name=bench", "data=digits", "tracking=none", f"epochs={epochs}", f"model.hidden={list(hidden)}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        given = {
            engine: [compose("train", [*overrides, f"engine={engine}", f"seed={i}"]) for i in range(MEMBERS)]
            for engine in ENGINES
        }
    found: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for number in range(ROUNDS + 1):  # the first compiles
        for engine, configs in given.items():
            tasks = [Task(one, home / f"{number}-{engine}-{i}", {}) for i, one in enumerate(configs)]
            tasks = tasks if engine == "fleet" else tasks[:1]
            if engine == "fleet":
                raise_first(trial.run_fleet(tasks))
            else:
                trial.run(tasks[0].config, home / f"{number}-{engine}-0", choices={})
            places = [home / f"{number}-{engine}-{i}" for i in range(len(tasks))]
            told = [json.loads((place / "result.json").read_text()) for place in places]
            assert all(one["provenance"]["engine"] == engine for one in told), told[0]["provenance"]
            found[engine].append(statistics.mean(one["durations"]["train"] for one in told) / (epochs * STEPS))
    return {engine: statistics.median(values[1:]) for engine, values in found.items()}


def command_cost(examples: int, folder: Path) -> tuple[float, float]:
    """(seconds, GB at most) of a command that reads so many examples and trains one epoch."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((examples, COLUMNS), dtype=np.float32)
    np.savez(folder / "data.npz", X_train=x, y_train=(x[:, 0] > 0).astype(np.int64))
    del x
    command = [
        *(sys.executable, str(ROOT / "src" / "train.py"), "data=arrays", f"data.path={folder / 'data.npz'}"),
        *(
            "epochs=1",
            "batch_size=1000",
            "model.hidden=[100]",
            "tracking=none",
            "name=grown",
            f"paths.root={folder}",
            "seed=1",
        ),
    ]
    start = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return time.monotonic() - start, usage.ru_maxrss / 2**20


def main() -> int:
    """Print both tables and write them."""
    import torch

    torch.set_num_threads(1)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(ROOT / "build" / "bench" / "compiled"))
    steps: dict[str, Any] = {}
    data: dict[int, Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        print("microseconds a step     " + "".join(f"{engine:>12}" for engine in ENGINES))
        for number, (name, hidden) in enumerate(NETWORKS.items()):
            steps[name] = step_seconds(hidden, Path(directory) / str(number))
            print(f"{name + ' weights':24}" + "".join(f"{1e6 * value:12.0f}" for value in steps[name].values()))
        print(f"examples of {COLUMNS} numbers   seconds    GB at most")
        for examples in EXAMPLES:
            folder = Path(directory) / f"data-{examples}"
            folder.mkdir()
            data[examples] = command_cost(examples, folder)
            print(f"{examples:23,} {data[examples][0]:9.1f} {data[examples][1]:12.2f}")
    return publish("growth", [], {}, steps=steps, data={str(size): told for size, told in data.items()})


if __name__ == "__main__":
    sys.exit(main())
