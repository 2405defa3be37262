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

from regimens.core.errors import UserError
from regimens.core.files import write_json, write_text
from regimens.core.result import BROKEN, Result, finite, flatten
from regimens.core.secrets import redact
from regimens.stats.finals import final_metric, sample_of
from regimens.stats.ranks import ranks
from regimens.stats.rows import (
    SCHEMA,
    comparison_rows,
    falling_short,
    interaction_row,
    judgement_row,
    mean_row,
    ranks_row,
    winner_row,
)
from regimens.stats.sample import Sample
from regimens.study.definition.settings import SEARCH
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.judging import judge, looks_of, margin_of
from regimens.study.queue.other_code import is_other, of_other_code, revision_of
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.results import statistics
from regimens.study.results.earlier import set_aside
from regimens.study.results.importance import importances


def export(files: TrialFiles, results: Path) -> tuple[list[Result], dict[str, Any], list[Path]]:
    """Write the tables of a finished study; returns all its results, the main table, and the paths.

    Raises:
        UserError: a result is gone again.
    """
    study = files.study
    by_cell: dict[str, dict[str, list[Result]]] = {}
    for cell in study.cells:
        for phase in study.phases(cell):
            found = files.results(cell, phase)
            if missing := found.count(None):
                why = f"{missing} results were removed meanwhile; run the same command again"
                raise UserError(f"{files.directory}: {why}")
            by_cell.setdefault(cell.group, {}).setdefault(phase, []).extend(r for r in found if r is not None)
    everything = [result for phases in by_cell.values() for one in phases.values() for result in one]
    metric = final_metric(study.metric, [result for phases in by_cell.values() for result in phases["final"]])
    finals = {label: phases["final"] for label, phases in by_cell.items()}
    samples = {label: sample for label, one in finals.items() if (sample := sample_of(one, metric)) is not None}
    tuned = {label: phases.get("tuning", []) for label, phases in by_cell.items()}
    short = falling_short(tuned, finals, study.metric, maximize=study.maximize, margin=margin_of(study))
    judged = judge(study, samples, short) if study.judged and samples else None
    worst = worst_tried(study, everything)
    table = {
        "study": {
            **about(study, metric),
            **dict(zip(("look", "looks"), looks_of(study), strict=True)),
            **judgement_row(judged, samples),
            "winner": winner_row(judged, finals, study.metric, metric),
            "importance": importance(files, by_cell),
            "ranks": ranks_of(study, by_cell, metric),
            "interaction": interaction_row({c.group: c.values for c in study.cells}, samples) if judged else None,
            "other_code": of_other_code(study, everything) or None,
        },
        "cells": [
            {
                **cell_row(study, cells, by_cell[label], samples.get(label), metric, worst),
                **comparison_rows(label, judged, samples),
            }
            for label, cells in study.groups.items()
        ],
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
        "target": study.target,
        "over": study.over,
        "asked": [redact(one) for one in study.asked],
        "setting": study.setting,
        "mode": study.mode,
        "sampler": study.sampler,
        "pruner": study.pruner,
        "statistics": SCHEMA,
        "definition": {key: value for key, value in study.identity.items() if key != "regimens"},
    }


def importance(files: TrialFiles, by_cell: Mapping[str, Mapping[str, list[Result]]]) -> dict[str, float] | None:
    """How much each searched value matters; None of a study that is no joint search."""
    if files.study.mode != SEARCH:
        return None
    cell = next(one for one in files.study.cells if one.tuned)
    return importances(files.study, cell, by_cell[cell.label]["tuning"], files.composer.compose)


def ranks_of(study: Study, by_cell: Mapping[str, Mapping[str, list[Result]]], metric: str) -> dict[str, Any] | None:
    """What the problems of a study say together; None of a study that is asked of one problem."""
    if study.over is None or not study.judged:
        return None
    found = {label: sample_of(phases["final"], metric) for label, phases in by_cell.items()}
    means = {label: float(one.values.mean()) for label, one in found.items() if one is not None}
    table = {
        problem: {label: means.get(cell.label) for label, cell in cells.items()}
        for problem, cells in study.problems.items()
    }
    first = [label for one in study.problems.values() for label, cell in one.items() if cell.label == study.reference]
    return ranks_row(study.over, ranks(table, first[0] if first else None, maximize=study.maximize))


def cell_row(
    study: Study,
    cells: Sequence[Cell],
    phases: Mapping[str, list[Result]],
    sample: Sample | None,
    metric: str,
    worst: float | None,
) -> dict[str, Any]:
    """What the trials of one cell, and of its repetitions, say."""
    cell, everything = cells[0], [result for results in phases.values() for result in results]
    edges = {path: edge for one in cells for path, edge in edges_of(one).items()}
    tuned = [tried(study, result, worst) for result in phases.get("tuning", [])]
    return {
        "cell": cell.values,
        "label": cell.group,
        **mean_row(sample, phases["final"], metric),
        "best_params": best_params(cells),
        "edge_flags": edges,
        "default_params": cell.default,
        "n_trials": len(everything),
        "n_failed": sum(r.status in BROKEN for r in everything),
        "n_diverged": sum(r.status == "diverged" for r in everything),
        "best_of_n": statistics.expected_best([one for one in tuned if one is not None], maximize=study.maximize),
        "never_acted": never_acted([r for r in phases["final"] if r.status == "completed"]),
        "contains": cell.contains or None,
        "n_other_code": sum(of_other_code(study, everything).values()) or None,
    }


def edges_of(cell: Cell) -> dict[str, str]:
    """The tuned values that lie at an end of what was tried."""
    best = cell.best or {}
    edges = {path: one.edge(best[path]) for path, one in cell.ranges.items() if path in best}
    edges |= {sweep.path: {-1: "low", 0: None, 1: "high"}[sweep.end] for sweep in cell.sweeps}
    return {path: edge for path, edge in edges.items() if edge}


def best_params(cells: Sequence[Cell]) -> dict[str, Any]:
    """What finals were trained with: path -> value, or where repetitions found several, from which to which."""
    found: dict[str, list[Any]] = {}
    for cell in cells:
        for path, value in (cell.best or {}).items():
            found.setdefault(path, []).append(value)
    return {path: one[0] if all(value == one[0] for value in one) else spread(one) for path, one in found.items()}


def spread(values: Sequence[Any]) -> str:
    """`0.01 to 0.03`, or all of them where they are no numbers."""
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return f"{min(values):.3g} to {max(values):.3g}"
    return ", ".join(sorted(set(map(str, values))))


def tried(study: Study, result: Result, worst: float | None) -> float | None:
    """What a tuning trial came to; a diverged one was spent, too, and is worth the worst that the study saw."""
    if result.status == "diverged":
        return worst
    value = result.metrics.get(study.metric) if result.status == "completed" else None
    return None if value is None else float(value)


def worst_tried(study: Study, results: Sequence[Result]) -> float | None:
    """The worst value that any completed trial of a study reached in the metric that tunes; None without one."""
    seen = [float(v) for r in results if r.status == "completed" and (v := r.metrics.get(study.metric)) is not None]
    return (min if study.maximize else max)(seen, default=None)


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
        **({"other_code": revision_of(result)} if is_other(study, result) else {}),
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
