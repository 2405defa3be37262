"""Hold reports that were made from other seeds against each other: which statements are made again or contradicted?

python tools/repetition.py seed1/results seed2/results seed42/results

A statement is what a report's tables call "better" or "worse": a cell worse than the best one, better or worse than its
default, transfer that helps or hurts. Another report makes it again where it says the same of the same cell, and
contradicts it where it says the opposite of the same two cells. Prints a table for docs/reference/repetition.md; the
exit status is 0 where nothing is contradicted and at least 80% is made again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from regimens.core.errors import UserError
from regimens.report.heatmap import pair_gain
from regimens.report.tables import Cell, Study, read_studies
from regimens.report.transfer import effect, is_transfer, pairs
from regimens.report.verdicts import against
from regimens.stats.verdicts import BETTER, WORSE

AGAIN = 0.8
BEST, DEFAULT, SCRATCH = "the best", "the default", "scratch"
PARITY = "parity"  # its cells answer to published numbers
HEAD = "| study | statements | held against others | made again | contradicted |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True)
class Statement:
    """`cell` is `word` than `than`; over, under: the cells that it ranks."""

    study: str
    cell: str
    word: str
    than: str
    over: str
    under: str

    def again(self, other: Statement) -> bool:
        """Whether another report's statement says the same."""
        return (self.study, self.cell, self.word, self.than) == (other.study, other.cell, other.word, other.than)

    def against(self, other: Statement) -> bool:
        """Whether another report's statement says the opposite."""
        return (self.study, self.over, self.under) == (other.study, other.under, other.over)

    def __str__(self) -> str:
        named = f" ({self.over})" if self.than == BEST else ""
        return f"{self.study}: {self.cell} {self.word} than {self.than}{named}"


@dataclass(frozen=True)
class Report:
    """One results directory: its name, what it states, and of which (study, cell) it could have."""

    name: str
    statements: tuple[Statement, ...]
    asked: frozenset[tuple[str, str]]


def read(directory: Path) -> Report:
    """Raises UserError where there is no such directory, or no table in it."""
    studies = [s for s in read_studies(directory) if not s.problem and s.judged and s.name != PARITY]
    if not studies:
        raise UserError(f"{directory}: no study's table in there")
    said = tuple(one for study in studies for one in statements(study))
    asked = frozenset((s.name, cell) for s in studies for cell in (*(c.label for c in s.ranked), "transferred"))
    return Report(str(directory), said, asked)


def statements(study: Study) -> Iterator[Statement]:
    """What a study's table calls better or worse."""
    if is_transfer(study):
        yield from _transfer(study)
        return
    names = {str(cell.row.get("label")): cell.label for cell in study.cells}
    for cell in study.ranked:
        for family, than in (("vs_best", BEST), ("vs_default", DEFAULT)):
            one = against(cell, family)
            if one is not None and one.verdict in (BETTER, WORSE):
                yield _statement(study, cell, one.verdict, than, names.get(one.other, one.other))


def _statement(study: Study, cell: Cell, word: str, than: str, other: str) -> Statement:
    over, under = (cell.label, other) if word == BETTER else (other, cell.label)
    return Statement(study.name, cell.label, word, than, over, under)


def _transfer(study: Study) -> Iterator[Statement]:
    found = pairs(study)
    several = len({pair.context for pair in found}) > 1
    gain = pair_gain(study) if several else None
    interval = gain[1:3] if gain else effect(found).gain_interval if found and not several else None
    if interval is not None and (interval[0] > 0 or interval[1] < 0):
        word = BETTER if interval[0] > 0 else WORSE
        over, under = ("transferred", SCRATCH) if word == BETTER else (SCRATCH, "transferred")
        yield Statement(study.name, "transferred", word, SCRATCH, over, under)


@dataclass
class Count:
    """Of statements: how many, how many reports each was held against in all, and what these say."""

    made: int = 0
    held: int = 0
    again: int = 0
    contradicted: int = 0


def compare(reports: Sequence[Report]) -> tuple[dict[str, Count], list[str], list[str]]:
    """(study -> counts, what is contradicted, what is not made again), every report held against every other one."""
    counts: dict[str, Count] = {}
    contradicted, lost = [], []
    for report in reports:
        for one in report.statements:
            count = counts.setdefault(one.study, Count())
            count.made += 1
            for other in (r for r in reports if r is not report and (one.study, one.cell) in r.asked):
                count.held += 1
                opposed = any(one.against(two) for two in other.statements)
                repeated = any(one.again(two) for two in other.statements)
                count.again += repeated
                count.contradicted += opposed
                if opposed:
                    contradicted.append(f"{one}: so {report.name}; not {other.name}")
                elif not repeated:
                    lost.append(f"{one}: so {report.name}; undecided in {other.name}")
    return counts, contradicted, lost


def lines(reports: Sequence[Report]) -> tuple[list[str], bool]:
    """(the table and what stands below it, as Markdown; whether the reports agree as they should)."""
    counts, contradicted, lost = compare(reports)
    every = Count(*(sum(getattr(one, name) for one in counts.values()) for name in vars(Count())))
    rows = [
        f"| {name} | {one.made} | {one.held} | {_share(one)} | {one.contradicted} |"
        for name, one in [*sorted(counts.items()), ("all", every)]
    ]
    told = [HEAD, *rows]
    for title, found in (("Contradicted", contradicted), ("Not made again", lost)):
        told += ["", f"{title}:", "", *(f"- {x}" for x in found)] if found else ["", f"{title}: none."]
    return told, not contradicted and every.again >= AGAIN * every.held


def _share(one: Count) -> str:
    return f"{one.again} ({100 * one.again / one.held:.0f}%)" if one.held else "–"


def main() -> int:
    """Return 0 where the reports agree, 1 where they do not, 2 for the user's mistakes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="directories of study tables, two or more")
    args = parser.parse_args()
    try:
        if len(args.results) < 2:
            raise UserError("one directory cannot be held against another: name two or more")
        told, agree = lines([read(directory) for directory in args.results])
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(told))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
