"""The best among finished trials of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.result import Result

if TYPE_CHECKING:
    from regimens.study.definition.study import Study
    from regimens.study.queue.trial_files import TrialFiles


def best_result(study: Study, results: Sequence[Result]) -> Result | None:
    """The completed result with the best metric; the earlier one of equals, so that it never depends on timing."""
    scored = [r for r in results if r.status == "completed" and r.metrics.get(study.metric) is not None]
    if not scored:
        return None
    sign = 1 if study.maximize else -1
    return max(scored, key=lambda r: sign * float(r.metrics[study.metric] or 0))


def best_final(files: TrialFiles, table: Mapping[str, Any]) -> Path | None:
    """The directory of the best cell's best final: the cell by what is quoted, the final by its validation metric.

    None where no final completed, or where the study only measures.
    """
    study = files.study
    ranked = [row for row in table["cells"] if row["mean"] is not None and study.judged]
    if not ranked:
        return None
    sign = 1 if study.maximize else -1
    label = max(ranked, key=lambda row: sign * row["mean"])["label"]
    finals = [(cell, one) for cell in study.groups[label] for one in files.results(cell, "final") if one is not None]
    best = best_result(study, [one for _, one in finals])
    cell = next((cell for cell, one in finals if one is best), None)
    return files.place(cell, "final", best.study["number"]) if cell and best and best.study else None
