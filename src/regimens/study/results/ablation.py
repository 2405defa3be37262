"""From a finished joint search to the study of its path: the default regimen, then a change more in each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.study.definition.command_line import ASIDE
from regimens.study.definition.composer import key_of, override_text
from regimens.study.definition.define import DEFAULT
from regimens.study.definition.settings import SEARCH, Settings
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.trial_files import TrialFiles, read_finished
from regimens.study.results.importance import importances

AXIS = "step"


def ablate(settings: Settings, runs: Path) -> Settings:
    """The settings of the study that re-trains each step of the path to the best regimen of the search `study.of`.

    The steps are cells of one axis, in order: the default regimen, then a change more in each, the important ones
    first (PED-ANOVA over the search's trials), a technique before the values that it brings.

    Raises:
        UserError: no such search, one that is not finished, or one that found nothing better than the default.
    """
    directory = _directory(settings.of, runs)
    study = Study.load(directory / "study.json")
    search = next(cell for cell in study.cells if cell.axes or cell.ranges)
    if not study.complete or search.best is None:
        raise UserError(f"study.of={settings.of}: {directory} is not finished; run the same search again first")
    files = TrialFiles(study, directory)
    places = (files.place(search, "tuning", number) for number in range(len(search.points)))
    results = [found for place in places if (found := read_finished(place)) is not None]
    steps = path(search, importances(study, search, results, files.composer.compose))
    if len(steps) < 2:
        raise UserError(f"study.of={settings.of}: the best regimen that it found is the default; there is no path")
    shared = tuple(one for one in search.overrides if not _aside(key_of(one)))
    return replace(
        settings,
        question=settings.question or f"Which of the changes that the search {study.name} found help?",
        compared={AXIS: steps},
        fixed=(*shared, *settings.fixed),
        reference=DEFAULT,
    )


def path(search: Cell, importance: Mapping[str, float]) -> dict[str, list[str]]:
    """Label -> overrides of each step: those of all changes up to it."""
    best = search.best or {}
    changed = {key: value for key, value in best.items() if search.default.get(key) != value}
    axes = [key for key in changed if key in search.axes]
    owned = {axis: [key for key in changed if key.startswith(f"{axis}.")] for axis in axes}
    first = [key for key in changed if not any(key in own for own in owned.values())]
    first.sort(key=lambda key: -importance.get(key, 0.0))  # stable: as the search names them where nothing is known
    steps: dict[str, list[str]] = {DEFAULT: []}
    so_far: list[str] = []
    for key in (one for top in first for one in (top, *owned.get(top, []))):
        value = changed[key]
        so_far = [*so_far, *(search.axes[key][value] if key in search.axes else [f"{key}={override_text(value)}"])]
        steps[f"{key}={_short(value)}"] = so_far
    return steps


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _aside(key: str) -> bool:
    first = key.replace("/", ".").split(".")[0]
    return key in ASIDE or first in ASIDE or first == "study"


def _directory(named: str | None, runs: Path) -> Path:
    """The directory of the search that is named: its path, its name, or its name with its id; the newest of several."""
    if not named:
        raise UserError("study.mode=ablate: study.of names the search whose best regimen is taken apart")
    found = [Path(named).absolute()] if (Path(named) / "study.json").is_file() else []
    found = found or [one.parent for one in runs.glob("*/study.json") if _is_called(one.parent.name, named)]
    searches = [one for one in found if Study.load(one / "study.json").mode == SEARCH]
    if not searches:
        raise UserError(
            f"study.of={named}: no search of this name below {runs}; python src/train.py status lists studies"
        )
    return max(searches, key=lambda one: (one / "study.json").stat().st_mtime)


def _is_called(directory: str, named: str) -> bool:
    return named in (directory, directory.rpartition("-")[0])
