"""Finished trials of a study, read from their directories, and the best among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.result import FILE_NAME, Result, read

if TYPE_CHECKING:
    from regimens.study.definition.study import Cell, Study


def place(directory: Path, cell: Cell, phase: str, number: int) -> Path:
    """The directory of a trial inside its study's directory; it follows from the trial's identity alone."""
    return directory / cell.directory / f"{phase}-{number}"


def read_finished(directory: Path) -> Result | None:
    """The result in a trial's directory, or None if there is none that can be read."""
    if not (directory / FILE_NAME).exists():
        return None
    try:
        return read(directory)
    except (UserError, OSError):
        return None


def phase_results(study: Study, cell: Cell, directory: Path, phase: str) -> list[Result]:
    """The results of a phase, by number; trials without one are left out."""
    found = [read_finished(place(directory, cell, phase, number)) for number in range(study.count(cell, phase))]
    return [result for result in found if result is not None]


def best_result(study: Study, results: list[Result]) -> Result | None:
    """The completed result with the best metric; the earlier one of equals, so that it never depends on timing."""
    scored = [r for r in results if r.status == "completed" and r.metrics.get(study.metric) is not None]
    if not scored:
        return None
    sign = 1 if study.maximize else -1
    return max(scored, key=lambda r: sign * float(r.metrics[study.metric] or 0))


def best_point(study: Study, cell: Cell, directory: Path) -> dict[str, Any]:
    """What the finals of a tuned cell are trained with: its best values, or its default if no trial completed."""
    best = best_result(study, phase_results(study, cell, directory, "tuning"))
    return dict((best.study or {}).get("params") or {}) if best else dict(cell.default)


def best_final(study: Study, directory: Path, table: Mapping[str, Any]) -> Path | None:
    """The directory of the best cell's best final: the cell by what is quoted, the final by its validation metric.

    None where no final completed, or where the study only measures.
    """
    ranked = [row for row in table["cells"] if row["mean"] is not None and study.judged]
    if not ranked:
        return None
    sign = 1 if study.maximize else -1
    cell = study.cell(max(ranked, key=lambda row: sign * row["mean"])["label"])
    best = best_result(study, phase_results(study, cell, directory, "final"))
    return directory / cell.directory / f"final-{best.study['number']}" if best and best.study else None
