"""Finished results as Optuna's dashboard shows them: `python -m regimens.tracking.optuna_view runs`.

A study's own journal holds a small Optuna study for each phase of each cell, in which only the tuned values vary. Here
all cells of a study are one, whose parameters are the compared axes and the tuned values: the importance of each can be
seen, and slices through all. It follows the files while the study runs, wherever its workers are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from regimens.core.errors import UserError
from regimens.core.result import FILE_NAME, SET_ASIDE, Result, read
from regimens.tracking.runs_view import cell_name

PAUSE = 3.0  # seconds between two looks at the files
STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED}

#: a parameter's name -> its value
Point = dict[str, Any]


@dataclass
class Group:
    """Trials that are shown as one Optuna study."""

    name: str
    question: str
    objectives: list[tuple[str, str]]
    #: values that a parameter may have: what is still to come counts, so that ranges stay
    expected: dict[str, list[Any]] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def spaces(self) -> dict[str, BaseDistribution]:
        """Where each parameter's values are from; those that never vary are left out."""
        values: dict[str, dict[Any, None]] = {}
        for point in self.points:
            for name, value in point.items():
                values.setdefault(name, dict.fromkeys(self.expected.get(name, ())))[value] = None
        return {name: space(found) for name, found in values.items() if len(found) > 1}


def space(values: Iterable[Any]) -> BaseDistribution:
    """A distribution that holds these values: a range of numbers, by their logarithm over decades; or choices."""
    found = list(values)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return CategoricalDistribution(found)
    low, high = min(found), max(found)
    log = low > 0 and high >= 10 * low
    if all(isinstance(value, int) for value in found):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def groups(directory: Path, results: Iterable[Result]) -> list[Group]:
    """A study's results: all cells' finals, all cells' tuning, and each cell's tuning by itself. Raises as `about`."""
    told = about(directory)
    key, objectives = f"{told['name']} {told['id'][:4]}", [(str(a), str(b)) for a, b in told["objectives"]]
    named: dict[str, Group] = {}

    def add(label: str, result: Result, point: Point, metrics: list[tuple[str, str]], cell: str | None = None) -> None:
        if label not in named:
            expected = expected_values(told, cell)
            named[label] = Group(f"{key}: {label}", told["question"] or "", metrics, expected)
        named[label].points.append(point)
        named[label].results.append(result)

    for result in results:
        place = result.study or {}
        cell = {axis: plain(value) for axis, value in place.get("cell", {}).items()}
        tuned = {path: plain(value) for path, value in (place.get("params") or {}).items()}
        if place.get("phase") == "final":
            tested = [(name.replace("val/", "test/", 1), direction) for name, direction in objectives]
            metrics = tested if all(name in result.metrics for name, _ in tested) else objectives
            add("finals of all cells", result, {**cell, "seed": str(result.seed)}, metrics)
        else:
            add("tuning of all cells", result, {**cell, **tuned}, objectives)
            if name := cell_name(place.get("cell", {})):
                add(f"tuning of {name}", result, tuned, objectives, name)
    return sorted(named.values(), key=lambda group: not group.name.endswith("of all cells"))


def expected_values(told: Mapping[str, Any], only: str | None) -> dict[str, list[Any]]:
    """Parameter -> the values that a study asks for, of all its cells, or of the one called `only`."""
    found: dict[str, list[Any]] = {}
    for cell in told["cells"] or ():
        if only is None or cell_name(cell.get("values") or {}) == only:
            ranges = [
                {path: value}
                for path, one in (cell.get("ranges") or {}).items()
                for value in (one.get("low"), one.get("high"), *(one.get("choices") or ()))
                if value is not None
            ]
            for point in (cell.get("values"), cell.get("default"), *(cell.get("points") or ()), *ranges):
                for name, value in (point or {}).items():
                    found.setdefault(name, []).append(plain(value))
    return found


def plain(value: Any) -> Any:
    """A value as Optuna takes it."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def about(directory: Path) -> Mapping[str, Any]:
    """What `study.json` says. Raises UserError where there is none that can be read."""
    try:
        told = json.loads((directory / "study.json").read_text())
        known = {key: told.get(key) for key in ("question", "cells")}
        return {**known, **{key: told[key] for key in ("name", "id", "objectives")}}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{directory}: no study there ({error})") from error


def trial_of(result: Result, point: Point, spaces: Mapping[str, BaseDistribution], group: Group) -> FrozenTrial:
    """A result as one of Optuna's trials, with its learning curve."""
    metrics = [name for name, _ in group.objectives]
    values = [result.metrics.get(name) for name in metrics]
    state = STATES.get(result.status, TrialState.FAIL)
    if state == TrialState.COMPLETE and any(value is None for value in values):
        state = TrialState.FAIL
    epochs = zip(result.history.get("epoch", []), result.history.get(metrics[0], []), strict=False)
    params = {name: point[name] for name in spaces if name in point}
    place = result.study or {}
    trial = optuna.trial.create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params=params,
        distributions={name: spaces[name] for name in params},
        intermediate_values={int(epoch or 0): value for epoch, value in epochs if value is not None},
        user_attrs={
            "cell": cell_name(place.get("cell", {})),
            "trial": f"{place.get('phase')} {place.get('number')}",
            "status": result.status,
            "seed": result.seed,
        },
    )
    if began := result.provenance.get("started"):
        trial.datetime_start = datetime.fromisoformat(began)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=sum(result.durations.values()))
    return trial


class View:
    """The studies below `runs`, in a storage that follows their files."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.storage = optuna.storages.InMemoryStorage()
        self._results: dict[Path, tuple[int, Result]] = {}
        #: name of an Optuna study -> what it was made from
        self._made: dict[str, tuple[dict[str, BaseDistribution], list[tuple[str, str]], list[Result]]] = {}

    def update(self) -> None:
        """Read what is new, and show it; a study is made anew if a parameter has another range, or a trial is gone."""
        found = list(self.directories())
        for directory in sorted(found, key=lambda one: (one / "study.json").stat().st_mtime, reverse=True):
            results = [result for path in self._paths(directory) if (result := self._read(path)) is not None]
            with contextlib.suppress(UserError):  # removed just now
                for group in groups(directory, results) if results else []:
                    self._show(group)

    def directories(self) -> Iterator[Path]:
        """Those of the studies: `runs` itself, if it is one, or those in it."""
        yield from [self.runs] if (self.runs / "study.json").exists() else []
        yield from (path.parent for path in sorted(self.runs.glob("*/study.json")))

    def _show(self, group: Group) -> None:
        spaces = group.spaces()
        old_spaces, old_objectives, shown = self._made.get(group.name, ({}, [], []))
        known, current = {id(result) for result in shown}, {id(result) for result in group.results}
        if group.name in self._made and ((spaces, group.objectives) != (old_spaces, old_objectives) or known - current):
            optuna.delete_study(study_name=group.name, storage=self.storage)
            known = set()
        if not known:
            directions = ["minimize" if direction == "minimize" else "maximize" for _, direction in group.objectives]
            study = optuna.create_study(storage=self.storage, study_name=group.name, directions=directions)
            with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
                study.set_metric_names([name for name, _ in group.objectives])
            study.set_user_attr("question", group.question)
        else:
            study = optuna.load_study(study_name=group.name, storage=self.storage)
        for result, point in zip(group.results, group.points, strict=True):
            if id(result) not in known:
                study.add_trial(trial_of(result, point, spaces, group))
        self._made[group.name] = (spaces, group.objectives, group.results)

    @staticmethod
    def _paths(directory: Path) -> Iterator[Path]:
        for folder, names, files in os.walk(directory):
            names[:] = sorted(name for name in names if SET_ASIDE not in name and name not in ("locks", "workers"))
            if FILE_NAME in files:
                yield Path(folder) / FILE_NAME

    def _read(self, path: Path) -> Result | None:
        try:
            changed = path.stat().st_mtime_ns
            if path not in self._results or self._results[path][0] != changed:
                self._results[path] = (changed, read(path))
        except (OSError, UserError):
            return None
        return self._results[path][1]


def main() -> None:
    """Serve the dashboard until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="a study's directory, or the one in which studies are")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    from optuna_dashboard import run_server

    view = View(args.runs)
    view.update()

    def follow() -> None:
        while True:
            time.sleep(PAUSE)
            view.update()

    threading.Thread(target=follow, daemon=True).start()
    run_server(view.storage, host=args.host, port=args.port)


if __name__ == "__main__":
    main()
