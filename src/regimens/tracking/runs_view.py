"""What MLflow shows of a trial: its name, tags, parameters, and metrics with their units."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from regimens.core.result import Result, finite, flatten
from regimens.core.secrets import redact

# Accuracies and losses have no unit; other metrics have theirs in their name.
UNITS = {"time": "time/elapsed_s", "time/train": "time/train_s"}
UNSHOWN = ("name", "tune", "trainer")  # keys of a regimen that are not logged


def identities(result: Result, directory: Path) -> list[str]:
    """A unique id of a result, independent of its path; then the id that earlier versions gave it.

    The earlier id contained the directory's name, which may change.
    """
    named = [result.study, result.name, result.seed, result.regimen_hash, result.provenance.get("started")]
    return [_short(named), _short([f"{directory.parent.name}/{directory.name}", *named])]


def _short(named: Any) -> str:
    return hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode()).hexdigest()[:32]


def cell_name(cell: Mapping[str, Any]) -> str:
    """A study's cell in a few words: the value of its axis, or all axes with theirs; empty for the only cell."""
    if len(cell) == 1:
        return str(next(iter(cell.values())))
    return " ".join(f"{axis}={value}" for axis, value in cell.items())


def run_name(result: Result) -> str:
    """What the run is called in the list: its study's cell, phase and number, or its own name."""
    if not result.study:
        return result.name
    cell = " ".join(f"{axis}={value}" for axis, value in result.study.get("cell", {}).items())
    return f"{cell or result.study['name']} {result.study['phase']} {result.study['number']}"


def started(result: Result) -> int:
    """Milliseconds since the epoch at which the trial began."""
    return int(datetime.fromisoformat(result.provenance["started"]).timestamp() * 1000)


def tags(result: Result, directory: Path) -> dict[str, str]:
    """The run's tags: its directory, its status, and its place in its study."""
    told = {
        "regimens.status": result.status,
        "regimens.regimen": result.regimen_hash[:12],
        "regimens.directory": f"{directory.parent.name}/{directory.name}",
    }
    if result.never_acted:
        told["regimens.never_acted"] = ", ".join(result.never_acted)
    if result.study:
        told["regimens.phase"] = str(result.study["phase"])
        told["regimens.cell"] = cell_name(result.study.get("cell", {})) or str(result.study["name"])
        if origin := result.study.get("taken_from"):
            told["regimens.taken_from"] = str(origin)
    return told


def params(result: Result) -> dict[str, str]:
    """The regimen's options and numbers, flat, groups first; nothing else."""
    numbers = {
        path: redact(str(value))
        for path, value in flatten(result.regimen).items()
        if value != {} and not any(key.startswith("_") or key in UNSHOWN for key in path.split("."))
    }
    return {**result.choices, "seed": str(result.seed), **numbers}


def error_of(metric: str) -> str:
    """What the error rate is called whose complement an accuracy is; empty for what is no accuracy."""
    return metric.removesuffix("accuracy") + "error" if metric.endswith("accuracy") else ""


def log10_of(path: str) -> str:
    """What the logarithm of a tuned value is called."""
    return f"log10 {path}"


def ended(result: Result) -> int:
    """Milliseconds since the epoch at which the trial ended, as far as its durations tell."""
    return started(result) + int(1000 * sum(result.durations.values()))


def metrics(result: Result) -> list[Any]:
    """Every epoch's numbers and the final ones, as one batch of MLflow metrics; what is not finite is left out.

    A final number has step 0, so that MLflow draws it as a bar beside other runs' and not as a line of one point.
    """
    from mlflow.entities import Metric

    stamp = started(result)
    rows = [
        Metric(UNITS.get(name, name), value, stamp + int(1000 * (elapsed or 0)), int(epoch or 0))
        for name, values in result.history.items()
        if name != "epoch"
        for epoch, value, elapsed in zip(
            result.history.get("epoch", []), finite(values), result.history["time"], strict=True
        )
        if value is not None
    ]
    final = {**result.metrics, **{f"acted/{k}": float(v["acted"]) for k, v in result.acted.items()}}
    tuned = ((result.study or {}).get("params") or {}).items()
    final |= {log10_of(k): math.log10(v) for k, v in tuned if isinstance(v, int | float) and v > 0}
    final |= {error_of(k): 1 - v for k, v in result.metrics.items() if v is not None and error_of(k)}
    seen = {row.key for row in rows}
    rows += [
        Metric(f"final/{name}" if name in seen else UNITS.get(name, name), value, stamp, 0)
        for name, value in finite(final).items()
        if value is not None
    ]
    return rows
