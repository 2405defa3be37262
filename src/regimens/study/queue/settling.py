"""Which comparisons of a study's finals are still open, after each round of them.

Looking again and again at growing samples, at every pair of cells, would find a difference in the end: each interval is
so wide (Bonferroni, over all looks and pairs) that all of them together err in at most one study of twenty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from regimens.core.result import Result
from regimens.study.definition.study import Cell, Study

ALPHA = 0.05


def open_cells(study: Study, finals: Mapping[str, Sequence[Result | None]]) -> list[Cell]:
    """The cells that get another round of finals: those with an open comparison, and what they are compared with."""
    if study.settle is None or study.final_seeds or not study.judged:
        return []
    values = {label: quoted(study, results) for label, results in finals.items()}
    cells = [cell for cell in study.cells if len(values[cell.label]) > 1]
    if len(cells) < 2:
        return []
    sign = 1 if study.maximize else -1
    leader = max(cells, key=lambda cell: sign * sum(values[cell.label]) / len(values[cell.label])).label
    looks = math.ceil(study.most_seeds / study.seeds)
    level = 1 - ALPHA / (looks * math.comb(len(cells), 2))
    wanted: set[str] = set()
    for rival in {leader, study.reference} & {cell.label for cell in cells}:
        for cell in cells:
            if cell.label != rival and is_open(values[cell.label], values[str(rival)], level, study.settle):
                wanted |= {cell.label, str(rival)}
    return [cell for cell in cells if cell.label in wanted and len(cell.finals) < study.most_seeds]


def is_open(ours: Sequence[float], theirs: Sequence[float], level: float, margin: float) -> bool:
    """Whether a difference of means is neither told from 0 nor known to be below `margin` (Welch's interval)."""
    from scipy.stats import ttest_ind

    if max(ours) == min(ours) and max(theirs) == min(theirs):  # accuracies on a small test set may have no spread
        return ours[0] == theirs[0] and min(len(ours), len(theirs)) < 3
    found = ttest_ind(ours, theirs, equal_var=False).confidence_interval(level)
    told_apart = found.low > 0 or found.high < 0
    return not told_apart and not (-margin < found.low and found.high < margin)


def quoted(study: Study, results: Sequence[Result | None]) -> list[float]:
    """The metric of the completed finals, as it is quoted: on the test set where they were tested."""
    tested = study.metric.replace("val/", "test/", 1)
    done = [result for result in results if result is not None and result.status == "completed"]
    values = [result.metrics.get(tested, result.metrics.get(study.metric)) for result in done]
    return [float(value) for value in values if value is not None]
