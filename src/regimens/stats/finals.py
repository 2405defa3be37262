"""The finals of cells as samples: what is quoted of each, on which images, and which of these it got right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regimens.core.examples import unpack
from regimens.core.hashing import digest
from regimens.core.result import Result
from regimens.stats.sample import Sample, means

#: what a result's `study` calls a repetition of the tuning, or a split of the data: finals that share one are one unit
UNITS = ("repeat", "fold")


def completed(finals: Sequence[Result | None]) -> list[Result]:
    """Those of these trials that are there and completed."""
    return [result for result in finals if result is not None and result.status == "completed"]


def final_metric(metric: str, finals: Sequence[Result | None]) -> str:
    """What is quoted of cells that `metric` selects: its value on the test set, if every completed final has one."""
    tested = metric.replace("val/", "test/", 1)
    done = completed(finals)
    return tested if done and all(r.metrics.get(tested) is not None for r in done) else metric


def sample_of(finals: Sequence[Result | None], metric: str) -> Sample | None:
    """The completed finals of a cell as a sample; None without any. See `Sample` for units and images."""
    done = [result for result in completed(finals) if result.metrics.get(metric) is not None]
    if not done:
        return None
    values = np.array([float(result.metrics[metric] or 0) for result in done])
    right = [unpack(result.correct) if metric == "test/accuracy" else None for result in done]
    told = [one for one in right if one is not None]
    whole = len(told) == len(done) and len({len(one) for one in told}) == 1
    correct = np.array(told, dtype=float) if whole else None
    groups = _groups(done)
    if len(groups) > 1:
        values = np.array([values[group].mean() for group in groups])
        correct = None if correct is None else np.array([correct[group].mean(axis=0) for group in groups])
    images = {images_of(result, metric) for result in done}
    if len(images) > 1:
        correct = None
    folds = [(done[group[0]].study or {}).get("fold") for group in groups]
    alone = len(set(folds)) < 2 or None in folds
    return Sample(values, correct, "+".join(sorted(images)), () if alone else tuple(map(int, folds)))  # type: ignore[arg-type]


def images_of(result: Result, metric: str) -> str:
    """What tells the examples that a metric was measured on from any others; empty where a result does not say."""
    data: Mapping[str, Any] = result.provenance.get("data") or {}
    part = {"test": "test", "val": "valid", "train": "train"}.get(metric.partition("/")[0], "")
    file = (data.get("files") or {}).get(f"{part}.safetensors")
    task = data.get("task") or {}
    known = {"file": file or data.get("dataset"), "kind": task.get("kind"), "classes": task.get("b_classes")}
    if part == "test" and data.get("held_out"):
        known["held_out"] = data["held_out"]
    return digest(known)[:12] if any(known.values()) else ""


def units_of(finals: Sequence[Result | None], metric: str) -> dict[tuple[Any, ...], float]:
    """(unit, seed) -> value of the completed finals: what finals of other cells with the same key are held against."""
    return {
        (*_unit(result), result.seed): float(value)
        for result in completed(finals)
        if (value := result.metrics.get(metric)) is not None
    }


def over(finals: Sequence[Result | None], sample: Sample) -> list[str]:
    """What the interval of these finals' mean counts as random: seeds or larger units, and the test images."""
    units = [name for name in UNITS if len({(r.study or {}).get(name) for r in completed(finals)}) > 1] or ["seed"]
    return [*units, *(["image"] if sample.n > 1 and means([sample]).images is not None else [])]


def _unit(result: Result) -> tuple[Any, ...]:
    return tuple((result.study or {}).get(name) for name in UNITS)


def _groups(done: Sequence[Result]) -> list[list[int]]:
    """Which finals are one unit: those of one repetition or split, where there are several; else each is its own."""
    by_unit: dict[tuple[Any, ...], list[int]] = {}
    for index, result in enumerate(done):
        by_unit.setdefault(_unit(result), []).append(index)
    return list(by_unit.values()) if len(by_unit) > 1 else [[index] for index in range(len(done))]
