"""Tables of earlier versions: their comparisons are made anew from the trials that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.core.result import Result
from regimens.stats.comparisons import Rule
from regimens.stats.finals import final_metric, sample_of
from regimens.stats.judging import judge
from regimens.stats.rows import (
    SCHEMA,
    comparison_rows,
    falling_short,
    interaction_row,
    judgement_row,
    mean_row,
    winner_row,
)
from regimens.stats.sample import Sample
from regimens.stats.sequential import level_at


def rejudged(table: Mapping[str, Any]) -> dict[str, Any]:
    """A study's table with means, intervals and verdicts as this version makes them; one that has them as it is.

    A table that states no margin of equality gets none, and one that does not say which test examples its trials got
    right takes them as given. Cells without trials keep their rows.
    """
    about, rows = dict(table.get("study") or {}), [dict(row) for row in table.get("cells") or []]
    trials = list(table.get("trials") or [])
    if about.get("statistics") == SCHEMA or not rows or not trials:
        return dict(table)
    by_cell = {label_of(row): _trials(row, trials, "final") for row in rows}
    selecting = str(about.get("metric") or "val/accuracy")
    metric = final_metric(selecting, [one for finals in by_cell.values() for one in finals])
    samples = {label: one for label, finals in by_cell.items() if (one := sample_of(finals, metric)) is not None}
    direction = str(about.get("direction") or "maximize")
    look, looks = (int(about.get(name) or 1) for name in ("look", "looks"))
    level = level_at(look, max(look, looks))
    rule = Rule(maximize=not direction.startswith("min"), margin=about.get("margin"), level=level)
    contains = {label_of(row): str(row["contains"]) for row in rows if row.get("contains")}
    held = (row.get("vs_default") or {} for row in rows)
    references = list(dict.fromkeys(str(one["against"]) for one in held if one.get("against")))
    judged = None
    if samples and direction != "none":
        tuned = {label_of(row): _trials(row, trials, "tuning") for row in rows}
        short = falling_short(tuned, by_cell, selecting, maximize=rule.maximize, margin=rule.margin)
        judged = judge(samples, rule, references or [str(about.get("reference"))], contains, short=short)
    cells = {label_of(row): row.get("cell") or {} for row in rows}
    about |= {
        "metric": selecting,
        "final_metric": metric,
        "statistics": SCHEMA,
        **judgement_row(judged, samples),
        "winner": winner_row(judged, by_cell, selecting, metric),
        "interaction": interaction_row(cells, samples) if judged else None,
    }
    anew = [_row(row, by_cell[label_of(row)], samples, judged, metric) for row in rows]
    return {**table, "study": about, "cells": anew}


def label_of(row: Mapping[str, Any]) -> str:
    """A cell's label, or its values where it has none."""
    return str(row.get("label") or row.get("cell"))


def _row(
    row: Mapping[str, Any], finals: list[Result], samples: Mapping[str, Sample], judged: Any, metric: str
) -> dict[str, Any]:
    label = label_of(row)
    if label not in samples:
        return {**row, **comparison_rows(label, judged, samples)}
    return {**row, **mean_row(samples[label], finals, metric), **comparison_rows(label, judged, samples)}


def _trials(row: Mapping[str, Any], trials: list[Mapping[str, Any]], phase: str) -> list[Result]:
    """The trials of a phase of a row's cell, with as much of a result as the statistics need."""
    found = []
    for raw in trials:
        place = raw.get("study") or {}
        if (place.get("cell") or {}) == (row.get("cell") or {}) and place.get("phase", "final") == phase:
            one = Result(str(raw.get("status") or "failed"), "", int(raw.get("seed") or 0), {}, "")
            one.metrics, one.correct = dict(raw.get("metrics") or {}), raw.get("correct")
            one.study, one.provenance = dict(place), dict(raw.get("provenance") or {})
            found.append(one)
    return found
