"""Which comparisons of a study's finals are still open, after each round of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regimens.core.result import Result
from regimens.study.definition.study import Cell, Study


def open_cells(study: Study, finals: Mapping[str, Sequence[Result | None]]) -> list[Cell]:
    """The cells that get another round of finals: those with an open comparison, and what they are compared with."""
    if study.settle is None or study.final_seeds:
        return []
    return []
