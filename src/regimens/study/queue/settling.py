"""Which comparisons of a study's finals are still open, after each round of them.

Looking again and again at growing samples would find a difference in the end: the error rate of all looks together is
shared out among them (`regimens.stats.sequential`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regimens.core.result import Result
from regimens.stats.finals import final_metric, sample_of
from regimens.stats.sequential import is_settled
from regimens.study.definition.study import Cell, Study
from regimens.study.queue.judging import judge, looks_of


def open_cells(study: Study, finals: Mapping[str, Sequence[Result | None]]) -> list[Cell]:
    """The cells that get another round of finals: those with an open comparison, and what they are compared with.

    finals: of each group of cells, those of all its repetitions. A cell that was not asked for the last round's finals
    was settled before, and stays so.
    """
    look, looks = looks_of(study)
    if look >= looks or not study.judged:
        return []
    metric = final_metric(study.metric, [one for results in finals.values() for one in results if one is not None])
    found = {label: sample_of(results, metric) for label, results in finals.items()}
    judged = judge(study, {label: sample for label, sample in found.items() if sample is not None})
    newest = max(len(cell.finals) for cell in study.cells)
    running = {cell.group for cell in study.cells if len(cell.finals) == newest}
    again: set[str] = set()
    for family in (judged.vs_best, judged.vs_default, judged.vs_previous):
        for label, one in family.items():
            if label in running and not is_settled(one.verdict):
                again |= {label, one.against}
    return [cell for cell in study.cells if cell.group in again]
