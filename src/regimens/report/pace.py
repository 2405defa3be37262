"""How long an epoch takes in each cell, beside what it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from regimens.core.metrics import figures
from regimens.report.numbers import number
from regimens.report.tables import Cell, Study, Trial

TOLD = 1.1  # times as long as the reference's epoch, from which on a sentence says so
TOGETHER = "fleet"  # this engine's time is that of all its trials


@dataclass(frozen=True)
class Pace:
    """Seconds of an epoch: the median over n finals with its 95% interval, None where they are too few for one.

    The interval needs no distribution (order statistics, as the binomial has them): other work on the machine delays
    some finals by any time. `on`: the engines and the hardware.
    """

    seconds: float
    interval: tuple[float, float] | None
    n: int
    on: frozenset[str]

    def __str__(self) -> str:
        told = f" [{figures(self.interval[0], 3)}, {figures(self.interval[1], 3)}]" if self.interval else ""
        return f"{figures(self.seconds, 3)}{told}"


def pace(cell: Cell) -> Pace | None:
    """That of a cell's finals, validation included, from the end of the first epoch on: no start-up is in it.

    None where no final trained alone and for more than one epoch.
    """
    from scipy.stats import quantile_test

    values, on = [], set()
    for trial in cell.finals:
        ends = [one for one in trial.history("time") if one is not None]
        engine, hardware = (_origin(trial, key) for key in ("engine", "hardware"))
        if len(ends) > 1 and engine != TOGETHER:
            values.append((ends[-1] - ends[0]) / (len(ends) - 1))
            on.add(f"{engine} {hardware}")
    if not values:
        return None
    low, high = (number(float(one)) for one in quantile_test(values, p=0.5).confidence_interval(0.95))
    return Pace(median(values), None if low is None or high is None else (low, high), len(values), frozenset(on))


def _origin(trial: Trial, key: str) -> str:
    return str((trial.raw.get("provenance") or {}).get(key) or "")


def slowest(study: Study) -> str:
    """` An epoch takes 1.5 times as long with elu as with relu (0.465 [0.45, 0.495] s and 0.31 [0.3, 0.33] s, n=6).`

    The slowest cell and the reference, or else the best one; empty where neither is known to be slower, or they ran
    on different things.
    """
    known = {cell.label: told for cell in study.ranked if (told := pace(cell)) is not None}
    references = (c.label for c in study.ranked if c.row.get("label") == study.about.get("reference"))
    usual = next(references, study.ranked[0].label)
    if usual not in known:
        return ""
    slow, own = max(known, key=lambda label: known[label].seconds), known[usual]
    one, times = known[slow], known[slow].seconds / own.seconds
    if times < TOLD or one.on != own.on or one.interval is None or own.interval is None:
        return ""
    if one.interval[0] <= own.interval[1]:
        return ""
    return (
        f" An epoch takes {times:.1f} times as long with {slow} as with {usual} ({one} s and {own} s, "
        f"n={min(one.n, own.n)})."
    )
