"""The tables of a study, from its result files: `.json`, `.csv` (a row a trial) and `.cells.csv` (a row a cell).

The rows of the cells hold nothing that depends on timing, so they are the same bytes however the study was run.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regimens.core.errors import UserError
from regimens.core.files import write_json, write_text
from regimens.core.hashing import derive_seed
from regimens.core.result import BROKEN, Result, finite, flatten
from regimens.core.secrets import redact
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.results import statistics
from regimens.study.results.earlier import set_aside


def export(files: TrialFiles, results: Path) -> tuple[list[Result], dict[str, Any], list[Path]]:
    """Write the tables of a finished study; returns all its results, the main table, and the paths.

    Raises:
        UserError: a result is gone again.
    """
    study = files.study
    by_cell: dict[str, dict[str, list[Result]]] = {}
    for cell in study.cells:
        found = {phase: files.results(cell, phase) for phase in study.phases(cell)}
        if missing := sum(result is None for one in found.values() for result in one):
            raise UserError(f"{files.directory}: {missing} results were removed meanwhile; run the same command again")
        by_cell[cell.label] = {phase: [r for r in one if r is not None] for phase, one in found.items()}
    everything = [result for phases in by_cell.values() for one in phases.values() for result in one]
    metric = final_metric(study, [result for phases in by_cell.values() for result in phases["final"]])
    rows = cell_rows(study, by_cell, metric)
    table = {
        "study": about(study, metric),
        "cells": rows,
        "trials": [result.to_json() for result in everything],
        "provenance": everything[0].to_json()["provenance"] if everything else {},
    }
    if len(study.objectives) > 1:
        table["pareto"] = pareto_rows(study, everything)
    table = finite(table)
    paths = [results / f"{study.title}{ending}" for ending in (".json", ".csv", ".cells.csv")]
    set_aside(files.study, results)
    write_json(table, paths[0])
    write_text(as_csv([trial_row(study, result) for result in everything]), paths[1])
    write_text(as_csv([as_cells({k: v for k, v in row.items() if v is not None}) for row in table["cells"]]), paths[2])
    return everything, table, paths


def about(study: Study, metric: str) -> dict[str, Any]:
    """What the study was."""
    return {
        "name": study.name,
        "id": study.id,
        "question": study.question,
        "compared": sorted({axis for cell in study.cells for axis in cell.values}),
        "tuned": list(study.tuned),
        "budget": study.trials if any(cell.tuned for cell in study.cells) else 0,
        "seeds": max((len(cell.finals) for cell in study.cells), default=0),
        "metric": study.metric,
        "final_metric": metric,
        "direction": study.objectives[0][1],
        "reference": study.reference,
        "asked": [redact(one) for one in study.asked],
        "setting": study.setting,
        "mode": study.mode,
        "sampler": study.sampler,
        "pruner": study.pruner,
        "definition": {key: value for key, value in study.identity.items() if key != "regimens"},
    }


def final_metric(study: Study, finals: Sequence[Result]) -> str:
    """The metric that is quoted: on the test set, if every completed final has it there."""
    tested = study.metric.replace("val/", "test/", 1)
    completed = [result for result in finals if result.status == "completed"]
    return tested if completed and all(r.metrics.get(tested) is not None for r in completed) else study.metric


def cell_rows(study: Study, by_cell: Mapping[str, Mapping[str, list[Result]]], metric: str) -> list[dict[str, Any]]:
    """A row a cell, in the order of the definition, with its comparisons."""
    values = {cell.label: final_values(by_cell[cell.label]["final"], metric) for cell in study.cells}
    rows = [cell_row(study, cell, by_cell[cell.label], values[cell.label]) for cell in study.cells]
    means = {row["label"]: row["mean"] for row in rows if row["mean"] is not None}
    sign = 1 if study.maximize else -1
    best = max(means, key=lambda label: sign * means[label]) if means and study.judged else None
    for key, other in (("vs_best", best), ("vs_default", study.reference if study.judged else None)):
        family = []
        for row in rows:
            row[key] = None
            if other is not None and other in means and row["label"] != other and row["mean"] is not None:
                seed = derive_seed(study.base_seed, key, row["label"])
                row[key] = statistics.compare(values[row["label"]], values[other], seed)
                family.append(row[key])
        statistics.correct(family, maximize=study.maximize)
    return rows


def final_values(finals: Sequence[Result], metric: str) -> dict[int, float]:
    """seed -> metric of the completed finals."""
    return {
        result.seed: float(value)
        for result in finals
        if result.status == "completed" and (value := result.metrics.get(metric)) is not None
    }


def cell_row(
    study: Study, cell: Cell, phases: Mapping[str, list[Result]], values: Mapping[int, float]
) -> dict[str, Any]:
    """What one cell's own trials say."""
    numbers = list(values.values())
    everything = [result for results in phases.values() for result in results]
    low, high = statistics.interval(numbers, derive_seed(study.base_seed, "interval", cell.label))
    params = dict(cell.best or {})
    tuned = [r for r in phases.get("tuning", []) if r.status == "completed" and r.metrics.get(study.metric) is not None]
    edges = {path: one.edge(params[path]) for path, one in cell.ranges.items() if path in params}
    edges |= {sweep.path: {-1: "low", 0: None, 1: "high"}[sweep.end] for sweep in cell.sweeps}
    return {
        "cell": cell.values,
        "label": cell.label,
        "n": len(numbers),
        "mean": float(np.mean(numbers)) if numbers else None,
        "ci_low": low,
        "ci_high": high,
        "sd": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        "best_params": params,
        "edge_flags": {path: edge for path, edge in edges.items() if edge},
        "default_params": cell.default,
        "n_trials": len(everything),
        "n_failed": sum(r.status in BROKEN for r in everything),
        "n_diverged": sum(r.status == "diverged" for r in everything),
        "best_of_n": statistics.expected_best(
            [float(r.metrics[study.metric] or 0) for r in tuned], maximize=study.maximize
        ),
        "never_acted": never_acted([r for r in phases["final"] if r.status == "completed"]),
    }


def never_acted(finals: Sequence[Result]) -> list[str]:
    """The techniques that did nothing in any of these trials."""
    idle: dict[str, bool] = {}
    for result in finals:
        for entry in result.acted.values():
            name = str(entry.get("technique"))
            idle[name] = idle.get(name, True) and not entry.get("acted")
    return sorted(name for name, never in idle.items() if never)


def pareto_rows(study: Study, results: Sequence[Result]) -> list[dict[str, Any]]:
    """The trials that no other trial beats: the front of several metrics."""
    names = [name for name, _ in study.objectives]
    complete = [
        r for r in results if r.status == "completed" and all(r.metrics.get(name) is not None for name in names)
    ]
    points = [[float(r.metrics[name] or 0) for name in names] for r in complete]
    front = statistics.pareto(points, [direction for _, direction in study.objectives])
    return [{**(complete[i].study or {}), **dict(zip(names, points[i], strict=True))} for i in front]


def trial_row(study: Study, result: Result) -> dict[str, Any]:
    """One trial with its whole regimen, flat."""
    place = result.study or {}
    return {
        "study": study.name,
        "id": study.id,
        **{f"cell.{axis}": value for axis, value in (place.get("cell") or {}).items()},
        "phase": place.get("phase"),
        "number": place.get("number"),
        "seed": result.seed,
        "status": result.status,
        **result.metrics,
        **{f"regimen.{key}": value for key, value in as_cells(result.regimen).items()},
    }


def as_cells(value: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one row of a table: a dotted path is a column; lists as JSON."""
    return {
        path: json.dumps(item) if isinstance(item, list | tuple | Mapping) else item
        for path, item in flatten(value).items()
    }


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with unequal keys as CSV; a column a key, in the order in which keys first appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
