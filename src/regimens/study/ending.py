"""What the tracker's run of a study gets when the study is done: its tables, its figure, its best network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regimens.result import write_text
from regimens.study.definition import Study
from regimens.study.finals import best_result, phase_results


@dataclass
class Ending:
    """`files` become artifacts, the trial in the directory `best` a model; `link` says where that can be looked at."""

    files: list[Path] = field(default_factory=list)
    best: Path | None = None
    link: str = ""

    def fill(self, study: Study, directory: Path, table: Mapping[str, Any], tables: Sequence[Path]) -> None:
        """Collect what a finished study in `directory` has to show."""
        self.files = [*tables, *draw_finals(tables[0], directory)]
        self.best = best_final(study, directory, table)


def best_final(study: Study, directory: Path, table: Mapping[str, Any]) -> Path | None:
    """The directory of the best cell's best final: the cell by what is quoted, the final by its validation metric."""
    ranked = [row for row in table["cells"] if row["mean"] is not None]
    if not ranked:
        return None
    sign = 1 if study.maximize else -1
    cell = study.cell(max(ranked, key=lambda row: sign * row["mean"])["label"])
    best = best_result(study, phase_results(study, cell, directory, "final"))
    return directory / cell.directory / f"final-{best.study['number']}" if best and best.study else None


def draw_finals(table: Path, directory: Path) -> list[Path]:
    """The report's figure of every final, from the study's table; none where there are no finals."""
    from regimens.report.canvas import standalone
    from regimens.report.dots import finals_dots
    from regimens.report.palette import Palette
    from regimens.report.tables import read_study

    study = read_study(table)
    figure = finals_dots(study, Palette([study]))
    return [write_text(standalone(figure.svg), directory / "finals.svg")] if figure else []
