"""A cell's finals as a sample, from a table's trials: what a question of the report's own is tested with."""

from __future__ import annotations

import numpy as np

from regimens.core.examples import unpack
from regimens.report.tables import Cell
from regimens.stats.sample import Sample


def sample(cell: Cell, metric: str) -> Sample | None:
    """The completed finals of a cell that have `metric`; None without any. Cells are of one test set."""
    finals = [(t, v) for t in cell.finals if (v := t.metric(metric)) is not None]
    if not finals:
        return None
    right = [unpack(t.raw.get("correct")) if metric == "test/accuracy" else None for t, _ in finals]
    told = [one for one in right if one is not None]
    whole = len(told) == len(finals) and len({len(one) for one in told}) == 1
    return Sample(np.array([v for _, v in finals]), np.array(told, dtype=float) if whole else None)
