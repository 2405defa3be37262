"""What MLflow shows of a result: names, parameters, metrics with their units, and the columns that are worth a look."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from regimens.core.result import Result, finite
from regimens.core.secrets import redact

# Accuracies and losses are pure numbers; what has a unit says so in its name.
UNITS = {"time": "time/elapsed_s", "time/train": "time/train_s"}
VIEW = "regimens"  # the shared view that `make ui` opens: .../#/experiments/<id>/runs?viewStateShareKey=regimens
COLUMNS = (
    *("metrics.`test/accuracy`", "metrics.`val/accuracy`", "metrics.`val/loss`", "metrics.`time/train_s`"),
    *("params.`data`", "params.`model`", "params.`init`", "params.`activation`", "params.`norm`"),
    *("params.`regularization`", "params.`optimizer`", "params.`optimizer.lr`", "params.`scheduler`"),
    *("params.`epochs`", "params.`seed`", "tags.`regimens.never_acted`"),
)
TRIALS_NOTE = """\
Every trial of Regimens is one run here; the trials of a study are children of the study's run.
A run is called by its cell, its phase (tuning or final) and its number. **Only finals are to be quoted**: search
`attributes.run_name LIKE "% final %"`. Accuracies are fractions, times seconds, steps epochs.
"""


def view() -> str:
    """The run table's columns, as MLflow's page keeps a shared view."""
    return json.dumps({"selectedColumns": COLUMNS, "runsHiddenMode": "FIRST_20_RUNS"})


def study_note(study: Mapping[str, Any]) -> str:
    """What stands above a study's run."""
    question = study.get("question")
    return (
        (f"**{question}**\n\n" if question else "")
        + f"Study `{study['name']}` (`{study['id']}`). Its trials are the runs below it. When it is done: the tables\n"
        "and `finals.svg` are among the artifacts, and the best cell's best final is the logged model.\n"
    )


def never_acted(result: Result) -> list[str]:
    """The techniques of a trial that did nothing."""
    return [str(entry["technique"]) for entry in result.acted.values() if not entry["acted"]]


def run_name(result: Result) -> str:
    """What the run is called in the list: its study's cell, phase and number, or its own name."""
    if not result.study:
        return result.name
    cell = " ".join(f"{axis}={value}" for axis, value in result.study.get("cell", {}).items())
    return f"{cell or result.study['name']} {result.study['phase']} {result.study['number']}"


def started(result: Result) -> int:
    """Milliseconds since the epoch at which the trial began."""
    return int(datetime.fromisoformat(result.provenance["started"]).timestamp() * 1000)


def params(result: Result) -> dict[str, str]:
    """The regimen's options and numbers, flat, groups first; nothing but what was composed."""
    flat = {**result.choices, "seed": str(result.seed)}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if not key.startswith("_") and key not in ("name", "tune", "trainer"):
                    walk(f"{prefix}.{key}" if prefix else key, value)
        else:
            flat[prefix] = redact(str(node))

    walk("", result.regimen)
    return flat


def metrics(result: Result) -> list[Any]:
    """Every epoch's numbers and the final ones, as one batch of MLflow metrics; what is not finite is left out."""
    from mlflow.entities import Metric

    stamp = started(result)
    epochs = result.history.get("epoch", [])
    rows = [
        Metric(UNITS.get(name, name), value, stamp + int(1000 * (elapsed or 0)), int(epoch or 0))
        for name, values in result.history.items()
        if name != "epoch"
        for epoch, value, elapsed in zip(epochs, finite(values), result.history["time"], strict=True)
        if value is not None
    ]
    last = int(epochs[-1] or 0) if epochs else 0
    final = {**result.metrics, **{f"acted/{k}": float(v["acted"]) for k, v in result.acted.items()}}
    seen = {row.key for row in rows}
    rows += [
        Metric(f"final/{name}" if name in seen else UNITS.get(name, name), value, stamp, last)
        for name, value in finite(final).items()
        if value is not None
    ]
    return rows
