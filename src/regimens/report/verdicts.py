"""What a table says of a cell against another one, read from its row and put into words."""

from __future__ import annotations

from dataclasses import dataclass

from regimens.core.shares import is_share
from regimens.report.numbers import difference, half_width, number
from regimens.report.tables import Cell, Study
from regimens.stats.verdicts import BETTER, EQUAL, UNDECIDED, UNDER_TUNED, UNTESTED, WORSE

MARK = {BETTER: "better", WORSE: "worse", UNDER_TUNED: "under-tuned", UNDECIDED: "undecided", UNTESTED: "untested"}


@dataclass(frozen=True)
class Against:
    """One comparison of a cell: `diff` its mean minus the other's, with a simultaneous interval; all in the metric."""

    diff: float
    low: float | None
    high: float | None
    p: float | None
    verdict: str
    other: str

    def interval(self, metric: str) -> str:
        """`−0.04 ± 0.34 pts`; only the difference where there is no interval."""
        if self.low is None or self.high is None:
            return difference(self.diff, metric)
        return f"{difference(self.diff, metric)} ± {half_width(self.high - self.diff, metric)}".replace(" pts ±", " ±")


def against(cell: Cell, name: str) -> Against | None:
    """The comparison `vs_best`, `vs_default` or `vs_contained` of a cell; None where there is none."""
    row = cell.row.get(name) or {}
    diff = number(row.get("diff"))
    if diff is None:
        return None
    low, high = number(row.get("ci_low")), number(row.get("ci_high"))
    return Against(diff, low, high, number(row.get("p")), str(row.get("verdict") or UNTESTED), str(row.get("against")))


def word(one: Against | None, study: Study) -> str:
    """A verdict in words, with the margin that it rests on: `equal within 0.5 pts`."""
    if one is None:
        return ""
    return f"equal within {margin(study)}" if one.verdict == EQUAL else MARK.get(one.verdict, one.verdict)


def margin(study: Study) -> str:
    """The margin of equality that the study states: `0.5 pts`; empty where it states none."""
    told = number(study.about.get("margin"))
    if told is None:
        return ""
    return f"{100 * told:g} pts" if is_share(study.metric) else f"{told:g}"


def with_verdict(study: Study, *words: str) -> list[Cell]:
    """The cells whose comparison with the best has one of these verdicts, best first."""
    return [cell for cell in study.ranked if (one := against(cell, "vs_best")) is not None and one.verdict in words]
