"""The finals: each cell's best regimen, trained again with fresh seeds; only they see the test set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.result import Result
from regimens.study.claim import place, read_finished

if TYPE_CHECKING:
    from regimens.study.definition import Cell, Study


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
