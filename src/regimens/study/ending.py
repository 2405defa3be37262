"""What the tracker's run of a study gets when the study is done: its tables, its figure, its best network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regimens.study.definition import Study
from regimens.study.finals import best_result, phase_results

#: draws a study's table, and whatever belongs into the study's directory: (figures written, sentences to print)
Draw = Callable[[Path, Path], tuple[list[Path], list[str]]]


@dataclass
class Ending:
    """`files` become artifacts, the trial in the directory `best` a model; `link` says where that can be looked at."""

    files: list[Path] = field(default_factory=list)
    best: Path | None = None
    link: str = ""

    def fill(self, study: Study, directory: Path, table: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Collect what a finished study in `directory` has to show: `files`, and its best final."""
        self.files = list(files)
        self.best = best_final(study, directory, table)


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
