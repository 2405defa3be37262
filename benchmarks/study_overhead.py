"""What a study costs beyond its training: seconds per trial at the 10th and at the 1,000th, and to resume 1,000.

command: python benchmarks/study_overhead.py [trials]
The trials train for zero steps, so what is measured is compose + ask + record + MLflow (its SQLite database).
"""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run(config: Any, directory: Path, *, study: Any, on_epoch: Any, choices: Any, identity: Any, note: str = "") -> Any:
    """A trial of zero steps: the record alone."""
    from datetime import UTC, datetime

    from regimens.core.hashing import digest
    from regimens.core.result import Result, write
    from regimens.trial.regimen import GROUPS, regimen_of

    regimen = regimen_of(config)
    result = Result(
        status="completed",
        name="zero",
        seed=config["seed"],
        regimen=regimen,
        regimen_hash=digest(regimen),
        choices={group: choices.get(group, "?") for group in GROUPS},
        study=dict(study),
        trial=identity.to_json(),
        metrics={"val/accuracy": 0.5 + (config["seed"] % 997) / 10000, "time/train": 0.0},
        history={name: [0.5] * 10 for name in ("train/loss", "val/loss", "val/accuracy", "lr", "time")}
        | {"epoch": list(range(1, 11))},  # type: ignore[arg-type]
        provenance={"started": datetime.now(UTC).isoformat(timespec="seconds")},
    )
    write(result, directory)
    with Path(os.environ["STAMPS"]).open("a") as file:
        file.write(f"{time.time()} {time.process_time()}\n")
    return result


def look_at_data(config: Any) -> tuple[None, None]:
    """There are no data."""
    return None, None


def metrics(config: Any) -> None:
    """It is not known what a trial measures."""
    return None


def main() -> int:
    """Run a study of so many zero-step trials, then resume it, and print the numbers beside their limits."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    from shared import Figure, publish

    took = {}
    with tempfile.TemporaryDirectory() as folder:
        stamps = Path(folder) / "stamps"
        command = [
            *(sys.executable, str(ROOT / "src" / "train.py"), "-m", "optimizer=adam", "data=digits"),
            *("study.tuned=[optimizer.lr]", f"study.trials={trials - 1}", "study.seeds=1"),
            *("study.extend=0", "study.refine=0"),
            "hydra.sweeper.run_trial=study_overhead",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks"), "STAMPS": str(stamps)}
        for what in ("run", "resume"):
            began, before = time.perf_counter(), cpu()
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
            took[what] = {"seconds": time.perf_counter() - began, "cpu": cpu() - before}
        rows = [line.split() for line in stamps.read_text().splitlines()]
    figures = []
    for column, name in enumerate(("", " (processor)")):
        times = [float(row[column]) for row in rows]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        early, late = median(gaps[5:35]), median(gaps[-31:-1])
        figures += [
            Figure(f"machinery: a trial, the {trials}th{name}", [late], 0.15, "s"),
            Figure(f"machinery: the {trials}th trial / the 10th{name}", [late / early], 1.5),
        ]
    figures.append(Figure(f"machinery: resuming {trials} finished trials", [took["resume"]["seconds"]], 10.0, "s"))
    return publish("study_overhead", figures, {}, took=took)


def cpu() -> float:
    """Seconds of processor time that finished child processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    sys.exit(main())
