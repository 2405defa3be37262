"""Differences from the best cell with their simultaneous intervals and the margin of equality: the verdicts, drawn."""

from __future__ import annotations

from regimens.core.shares import is_share
from regimens.report.canvas import GRID, INK, Figure, drawing, percent_axis, svg
from regimens.report.dots import MOST, shorten
from regimens.report.numbers import number
from regimens.report.palette import COLOURS
from regimens.report.tables import Cell, Study
from regimens.report.verdicts import Against, against, word
from regimens.stats.verdicts import BETTER, EQUAL, UNDECIDED, UNDER_TUNED, WORSE

COLOUR = {BETTER: COLOURS[0], EQUAL: COLOURS[2], UNDECIDED: COLOURS[7], WORSE: COLOURS[4], UNDER_TUNED: COLOURS[1]}
MARKER = {BETTER: "^", EQUAL: "o", UNDECIDED: "D", WORSE: "v", UNDER_TUNED: "s"}
#: intervals this many times as wide as the median one leave the picture instead of flattening it
WIDE = 6


def differences(study: Study) -> Figure | None:
    """Every cell's difference from the best one; None where fewer than two were tested."""
    shown = [
        (cell, one) for cell in study.ranked if (one := against(cell, "vs_best")) is not None and one.low is not None
    ]
    shown = shown[:MOST]
    if not shown or sum(bool(cell.row.get("best")) for cell in study.cells) > 1:
        return None
    slug, metric = f"{study.name}-differences", study.metric
    with drawing(0.28 * len(shown) + 0.9) as (figure, axes):
        within = number(study.about.get("margin"))
        if within:
            axes.axvspan(-within, within, color=GRID, alpha=0.6, linewidth=0)
        axes.axvline(0, color=INK, linewidth=1)
        for y, (_, one) in enumerate(reversed(shown)):
            colour = COLOUR.get(one.verdict, COLOURS[7])
            axes.plot((one.low, one.high), (y, y), color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot(one.diff, y, marker=MARKER.get(one.verdict, "D"), color=colour, ms=6.5)
        axes.set_yticks(range(len(shown)), [shorten(cell.label) for cell, _ in reversed(shown)])
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlim(*_limits(shown))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{metric.replace('/', ' ')}, minus the best's{' (points)' if is_share(metric) else ''}")
        percent_axis(axes.xaxis, metric)
        drawn = svg(figure, slug)
    rows = tuple((cell.label, one.diff, one.low, one.high, one.p, word(one, study)) for cell, one in shown)
    best = next((cell.label for cell in study.ranked if cell.row.get("best")), study.ranked[0].label)
    least, most = min(cell.n for cell, _ in shown), max(cell.n for cell, _ in shown)
    band = "The grey band is the margin of equality. " if within else ""
    many = f" to {most}" if most > least else ""
    caption = (
        f"Each cell's mean minus that of {best}, with intervals that hold for all of them at once (n={least}{many}). "
        f"{band}A line inside it: equal (circle). A line that does not touch 0: worse (triangle), or under-tuned where "
        "the cell contains another one that is better, or its tuning found better values than its finals reach "
        "(square). Any other: undecided (diamond), with what is left. "
        "Lines that leave the picture are too wide to tell."
    )
    columns = ("cell", "difference", "low", "high", "p", "verdict")
    return Figure(slug, "Differences from the best", drawn, caption, columns, rows)


def _limits(shown: list[tuple[Cell, Against]]) -> tuple[float, float]:
    widths = sorted((one.high or 0.0) - (one.low or 0.0) for _, one in shown)
    kept = [one for _, one in shown if (one.high or 0.0) - (one.low or 0.0) <= WIDE * widths[len(widths) // 2]]
    low = min(min(one.low or 0.0 for one in kept), *(one.diff for _, one in shown), 0.0)
    high = max(max(one.high or 0.0 for one in kept), *(one.diff for _, one in shown), 0.0)
    room = 0.05 * ((high - low) or 1.0)
    return low - room, high + room
