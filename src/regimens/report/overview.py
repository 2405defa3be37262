"""The first screen's picture: what each technique does against its default, over all questions, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regimens.core.shares import is_share
from regimens.report.canvas import GRID, INK, LINK, PAPER, SECTION, Figure, drawing, svg
from regimens.report.differences import COLOUR, MARKER
from regimens.report.dots import shorten
from regimens.report.heatmap import pair_gain
from regimens.report.palette import COLOURS
from regimens.report.tables import Study
from regimens.report.transfer import effect, is_transfer, pairs
from regimens.report.verdicts import against
from regimens.stats.verdicts import BETTER, EQUAL, UNDECIDED, UNDER_TUNED, WORSE, verdict

NAME = 19  # characters of a technique's name
MOST = 5  # techniques of a question that are drawn: the best ones, and the worst
LINEAR = 1.0  # points around 0 within which the scale is linear; beyond, it is logarithmic
TICKS = (-80, -20, -5, -1, 0, 1, 5, 20, 80)
FINE = (-5, -2, -1, 0, 1, 2, 5)  # the same where nothing lies further out
COARSE = (-80, -10, -1, 0, 1, 10, 80)  # the same where both sides reach so far that there is no room for more
ROW, HEAD, FOOT = 0.25, 0.36, 0.5  # inches
SIZE = 10.6  # points of text: a phone shows it at 9 pixels
LEFT, MIDDLE = 0.31, 0.49  # of the width: names, and the picture itself; numbers have the rest
SLUG = "overview"
WORDS = {
    BETTER: "better", EQUAL: "equal within the margin", UNDECIDED: "undecided", WORSE: "worse",
    UNDER_TUNED: "under-tuned",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One technique's difference from its default, in points, more being better; low and high None below two finals."""

    label: str
    diff: float
    low: float | None
    high: float | None
    verdict: str
    n: int

    @property
    def text(self) -> str:
        """`+0.8 ± 0.3`."""
        told = f"{self.diff:+.1f}"
        if self.high is not None:
            half = self.high - self.diff
            told += f" ± {half:.1f}" if half >= 0.05 else " ± <0.1"
        return told.replace("-", "−")


@dataclass(frozen=True)
class Group:
    """One question: the anchor of its section, what its techniques are compared with, and the rows."""

    anchor: str
    title: str
    default: str
    rows: tuple[Row, ...]
    left_out: int = 0

    @property
    def height(self) -> float:
        """Inches."""
        return HEAD + ROW * len(self.rows)


def groups(studies: Sequence[Study]) -> list[Group]:
    """The questions whose techniques are compared with a default by a share, in the report's order."""
    return [group for study in studies if (group := _group(study)) is not None]


def _group(study: Study) -> Group | None:
    if study.problem or study.name == "parity" or not study.judged or not is_share(study.metric):
        return None
    rows = _transfer(study) if is_transfer(study) else _compared(study)
    if not rows:
        return None
    shown = rows if len(rows) <= MOST else [*rows[: MOST - 1], rows[-1]]
    default = next((c.label for c in study.cells if c.row.get("label") == study.about.get("reference")), "")
    default = "scratch" if is_transfer(study) else default
    return Group(study.name, _short(study), default, tuple(shown), len(rows) - len(shown))


def _compared(study: Study) -> list[Row]:
    """The cells with a difference from the default, best first."""
    sign = 100.0 if study.maximize else -100.0
    found = []
    for cell in study.cells:
        one = against(cell, "vs_default")
        if one is not None:
            ends = sorted(sign * x for x in (one.low, one.high) if x is not None)
            low, high = (ends[0], ends[-1]) if ends else (None, None)
            found.append(Row(cell.label, sign * one.diff, low, high, one.verdict, cell.n))
    return sorted(found, key=lambda row: (-row.diff, row.label))


def _transfer(study: Study) -> list[Row]:
    """What transfer gains: over the seeds and networks of one pair of classes, or over the pairs of all of them."""
    found = pairs(study)
    if not found:
        return []
    if len({p.context for p in found}) > 1:
        gain = pair_gain(study)
        return [_gain("over all pairs", *gain)] if gain else []
    told = effect(found)
    low, high = told.gain_interval or (None, None)
    return [_gain("transferred", told.gain, low, high, told.seeds)]


def _gain(label: str, gain: float, low: float | None, high: float | None, n: int) -> Row:
    if low is None or high is None:
        return Row(label, 100 * gain, None, None, UNDECIDED, n)
    return Row(label, 100 * gain, 100 * low, 100 * high, verdict(low, high, maximize=True, margin=None), n)


def _short(study: Study) -> str:
    """The question's name, for a heading above its rows."""
    return study.name.replace("_", " ").capitalize() if study.about.get("name") != "adhoc" else study.question


def overview(studies: Sequence[Study]) -> Figure | None:
    """The picture of all questions, one below the other; None where none has a default to compare with."""
    found = groups(studies)
    return figure_of(found, SLUG) if found else None


def halves(studies: Sequence[Study]) -> list[Figure]:
    """The same for a page: in two parts of about one height, which stand side by side where there is room."""
    found = groups(studies)
    if not found:
        return []
    cuts = range(1, len(found)) if sum(len(g.rows) for g in found) > MOST else ()
    cut = min(cuts, key=lambda i: abs(_height(found[:i]) - _height(found[i:])), default=len(found))
    parts = [found[:cut], found[cut:]] if cut < len(found) else [found]
    limits = reach(found)
    return [figure_of(part, f"{SLUG}-{i}", limits) for i, part in enumerate(parts, start=1)]


def _height(found: Sequence[Group]) -> float:
    return sum(group.height for group in found)


def reach(found: Sequence[Group]) -> tuple[float, float]:
    """The ends of the scale, in points: what the widest interval reaches, and at least 2 points to either side."""
    ends = [x for g in found for row in g.rows for x in (row.diff, row.low, row.high) if x is not None]
    return max(min([-2.0, *ends]), -100.0) * 1.15, min(max([2.0, *ends]), 100.0) * 1.15


def figure_of(found: Sequence[Group], slug: str, limits: tuple[float, float] | None = None) -> Figure:
    """Questions as headings, techniques as rows; every label, line and number is a link to the question's section."""
    height = _height(found)
    with drawing(height + FOOT) as (figure, axes):
        figure.set_layout_engine("none")  # names and numbers have the same room in every part
        axes.set_position([LEFT, FOOT / (height + FOOT), MIDDLE, height / (height + FOOT)])
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.8)
        axes.set_xlim(*(limits or reach(found)))
        axes.set_ylim(height, 0)
        y = 0.0
        for group in found:
            _heading(axes, group, y + 0.62 * HEAD)
            for i, row in enumerate(group.rows):
                _row(axes, row, y + HEAD + ROW * (i + 0.5), f"{SECTION}{group.anchor}")
            y += group.height
        _frame(axes)
        drawn = svg(figure, slug)
    return Figure(slug, "All questions at a glance", drawn, _caption(found), COLUMNS, _numbers(found))


COLUMNS = ("question", "default", "technique", "points", "low", "high", "n", "verdict")


def _numbers(found: Sequence[Group]) -> tuple[tuple[Any, ...], ...]:
    return tuple((g.anchor, g.default, r.label, r.diff, r.low, r.high, r.n, r.verdict) for g in found for r in g.rows)


def _heading(axes: Any, group: Group, y: float) -> None:
    told = shorten(f"{group.title}: against {group.default}", 62)
    place = axes.get_yaxis_transform()
    text = axes.text(-LEFT / MIDDLE, y, told, transform=place, va="center", fontsize=SIZE, color=LINK)
    text.set_bbox({"facecolor": PAPER, "edgecolor": "none", "pad": 1})  # the line at 0 stops for it
    text.set_url(f"{SECTION}{group.anchor}")
    if group.left_out:
        axes.text(1.02, y, f"{group.left_out} more", transform=place, va="center", fontsize=SIZE)


def _row(axes: Any, row: Row, y: float, url: str) -> None:
    colour, marker = COLOUR.get(row.verdict, COLOURS[7]), MARKER.get(row.verdict, "D")
    if row.low is not None and row.high is not None:
        axes.plot((row.low, row.high), (y, y), color=colour, linewidth=2.2, solid_capstyle="butt", url=url)
    axes.plot(row.diff, y, marker=marker, color=colour, ms=6, url=url)
    place = axes.get_yaxis_transform()
    for x, told, side in ((-0.02, within(row.label, NAME), "right"), (1.02, row.text, "left")):
        axes.text(x, y, told, transform=place, ha=side, va="center", fontsize=SIZE).set_url(url)


def within(label: str, most: int) -> str:
    """A label of at most so many characters, cut in the middle: cells of two axes often differ in their ends."""
    if len(label) <= most:
        return label
    end = most // 2
    return f"{label[: most - 1 - end]}…{label[-end:]}"


def _frame(axes: Any) -> None:
    low, high = axes.get_xlim()
    ends = FINE if max(-low, high) < 2 * FINE[-1] else COARSE if min(-low, high) > COARSE[-2] else TICKS
    ticks = [tick for tick in ends if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in ticks])
    axes.xaxis.set_minor_locator(_none())
    axes.set_yticks([])
    axes.axvline(0, color=INK, linewidth=1)
    axes.grid(axis="x", color=GRID)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("points better or worse than the default")


def _none() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _caption(found: Sequence[Group]) -> str:
    counts = sorted({row.n for group in found for row in group.rows})
    n = f"n={counts[0]}" if len(counts) == 1 else f"n={counts[0]} to {counts[-1]}"
    cut = f" Of more than {MOST} techniques, the best and the worst." if any(g.left_out for g in found) else ""
    return (
        f"How many points of accuracy each technique gains or loses against its question's default ({n}), with 95% "
        "intervals that hold for a question's techniques at once: the numbers at the right. The scale is linear up to "
        f"{LINEAR:g} point on either side and logarithmic beyond.{cut} A row leads to its section."
    )


def legend() -> list[tuple[str, str, str]]:
    """(verdict, mark as text, colour), for the page."""
    marks = {BETTER: "▲", EQUAL: "●", UNDECIDED: "◆", WORSE: "▼", UNDER_TUNED: "■"}
    return [(WORDS[word], marks[word], COLOUR[word]) for word in WORDS]
