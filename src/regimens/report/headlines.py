"""The first screen's sentence of each question: a verdict, a number with its interval and n, and one clause."""

from __future__ import annotations

import re

from regimens.report.answers import all_diverged, answer, behind, evidence, scattered
from regimens.report.numbers import half_width, listing, plural
from regimens.report.tables import Cell, Study
from regimens.report.verdicts import against, margin, with_verdict
from regimens.stats.verdicts import EQUAL, UNDECIDED, UNDER_TUNED, UNTESTED, WORSE

NAMED = 2  # cells of a kind that are named; of more, how many there are


def headline(study: Study) -> str:
    """The short sentence of a study whose cells compete; the whole one where there is nothing to shorten."""
    plain = [cell for cell in study.ranked if cell.row.get("best")]
    gone = [f"diverged: {_named(lost)}"] if (lost := all_diverged(study)) else []
    if study.problem or study.about.get("mode") == "search" or len(study.ranked) < 2 or len(plain) > 1:
        return "; ".join([shortened(answer(study)).removesuffix("."), *gone]) + "."
    best, others = study.ranked[0], study.ranked[1:]
    worse = with_verdict(study, WORSE)
    number = evidence(best, study.metric)
    if len(worse) == len(others):
        nearest = f"next is {behind(worse[0], study.metric).replace(' ', ', ', 1)}"
        return "; ".join([f"{best.label} leads: {number}", nearest, *gone]) + "."
    said = [f"{best.label} has the best mean: {number}"]
    if equal := with_verdict(study, EQUAL):
        said.append(f"equal within {margin(study)}: {_named(equal)}")
    unsettled, split = with_verdict(study, UNDECIDED), {cell.label for cell in scattered(study)}
    if near := [cell for cell in unsettled if cell.label not in split]:
        said.append(f"undecided: {_named(near, _half(study, near))}")
    if far := [cell for cell in unsettled if cell.label in split]:  # an interval of hundreds of points says nothing
        said.append(f"undecided, with finals far apart: {_named(far)}")
    if blamed := with_verdict(study, UNDER_TUNED):
        said.append(f"under-tuned: {_named(blamed)}")
    if worse:
        said.append(f"worse: {_named(worse)}")
    if untested := with_verdict(study, UNTESTED):
        said.append(f"untested: {_named(untested)}")
    return "; ".join([*said, *gone]) + "."


def shortened(text: str) -> str:
    """The first clause of an answer that comes as a whole: what stands before its first semicolon or full stop."""
    return re.split(r"(?<=\S)(?:; |\. (?=[A-Z]))", text, maxsplit=1)[0].removesuffix(".") + "."


def _named(cells: list[Cell], more: str = "") -> str:
    named = [cell.label for cell in cells]
    return f"{listing(named) if len(named) <= NAMED else plural(len(named), 'other')}{more}"


def _half(study: Study, cells: list[Cell]) -> str:
    """` (± 0.34 pts)`: how much the intervals of undecided differences leave open, at most."""
    told = [one for cell in cells if (one := against(cell, "vs_best")) is not None and one.high is not None]
    widths = sorted((one.high or 0.0) - one.diff for one in told)
    if not widths:
        return ""
    return f" ({'up to ' if len(widths) > 1 else ''}± {half_width(widths[-1], study.metric)})"
