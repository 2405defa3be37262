"""How long an epoch takes in each cell, beside what it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from regimens.core.metrics import figures
from regimens.report.numbers import number
from regimens.report.tables import Cell, Study

TOLD = 1.1  # times as long as the reference's epoch, from which on a sentence says so


@dataclass(frozen=True)
class Pace:
    """Seconds of an epoch: the median over n finals with its 95% interval, None where they are too few for one.

    The interval needs no distribution (order statistics, as the binomial has them): other work on the machine delays
    some finals by any time.
    """

    seconds: float
    interval: tuple[float, float] | None
    n: int

    def __str__(self) -> str:
        told = f" [{figures(self.interval[0], 3)}, {figures(self.interval[1], 3)}]" if self.interval else ""
        return f"{figures(self.seconds, 3)}{told}"


def pace(cell: Cell) -> Pace | None:
    """That of a cell's finals; None where they do not say, or stepped through no whole epoch."""
    from scipy.stats import quantile_test

    timed = [(trial.metric("time/train"), trial.metric("epochs")) for trial in cell.finals]
    values = [seconds / epochs for seconds, epochs in timed if seconds and epochs]
    if not values:
        return None
    low, high = (number(float(one)) for one in quantile_test(values, p=0.5).confidence_interval(0.95))
    return Pace(median(values), None if low is None or high is None else (low, high), len(values))


def slowest(study: Study) -> str:
    """` An epoch takes 1.3 times as long with elu as with relu (0.42 s [0.41, 0.44], 0.32 s [0.31, 0.33], n=10).`

    The slowest cell and the reference, or else the best one; empty where neither is known to be slower.
    """
    known = {cell.label: told for cell in study.ranked if (told := pace(cell)) is not None}
    references = (c.label for c in study.ranked if c.row.get("label") == study.about.get("reference"))
    usual = next(references, study.ranked[0].label)
    if usual not in known:
        return ""
    slow, own = max(known, key=lambda label: known[label].seconds), known[usual]
    one, times = known[slow], known[slow].seconds / own.seconds
    if times < TOLD or one.interval is None or own.interval is None or one.interval[0] <= own.interval[1]:
        return ""
    return (
        f" An epoch takes {times:.1f} times as long with {slow} as with {usual} ({one} s and {own} s, "
        f"n={min(one.n, own.n)})."
    )
