"""The end of a study: its table in; the figure of its finals, and what learning-rate range tests propose, out.

A study calls what its caller handed it (`regimens.study.run_study.Draw`), so that it need not know the report. That is
imported then, as workers would wait for it.
"""

from __future__ import annotations

from pathlib import Path


def draw(table: Path, directory: Path) -> tuple[list[Path], list[str]]:
    """(figures written, sentences to print): `finals.svg` into the study's directory, range tests beside its table."""
    from regimens.core.files import write_text
    from regimens.report import lr_range
    from regimens.report.canvas import standalone
    from regimens.report.dots import finals_dots
    from regimens.report.palette import Palette
    from regimens.report.tables import read_study

    study = read_study(table)
    figure = finals_dots(study, Palette([study]))
    figures = [write_text(standalone(figure.svg), directory / "finals.svg")] if figure else []
    sentences, picture = lr_range.of_table(table)
    return [*figures, picture] if picture else figures, sentences
