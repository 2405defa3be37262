"""Finals as dots: every seed, the mean, and its 95% interval, one line per cell."""

from __future__ import annotations

from typing import Any

from regimens.report.canvas import Figure, drawing, log_axis, percent_axis, svg, unit
from regimens.report.palette import COLOURS, Palette
from regimens.report.tables import Cell, Study

MOST = 36


def finals_dots(study: Study, palette: Palette) -> Figure | None:
    """Every final of every cell as a dot, best cell on top; None without finals."""
    metric, cells = study.metric, study.ranked[:MOST]
    if not cells:
        return None
    slug = f"{study.name}-finals"
    with drawing(0.28 * len(cells) + 0.75) as (figure, axes):
        for y, cell in enumerate(cells):
            _cell(axes, len(cells) - 1 - y, cell, metric, palette.cell(study, cell))
        axes.set_yticks(range(len(cells)), [shorten(c.label) for c in reversed(cells)])
        axes.set_ylim(-0.7, len(cells) - 0.3)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(unit(metric))
        percent_axis(axes.xaxis, metric)
        drawn = svg(figure, slug)
    rows = tuple((c.label, t.seed, t.metric(metric)) for c in study.ranked for t in c.finals)
    counts = sorted({c.n for c in cells})
    n = f"n={counts[0]}" if len(counts) == 1 else f"n={counts[0]} to {counts[-1]}"
    left = f" The {MOST} best of {len(study.ranked)} cells; the table has all." if len(study.ranked) > MOST else ""
    better = f"; {'right' if study.maximize else 'left'} is better" if study.judged else ""
    caption = (
        f"Each small dot is one final: the cell's best regimen re-trained with a fresh seed ({n} per cell). "
        f"The large mark is their mean, the line its 95% interval{better}. "
        f"Overlapping lines do not settle a comparison, since all cells met the same test images: differences do.{left}"
    )
    return Figure(slug, "Finals, every seed", drawn, caption, ("cell", "seed", metric), rows)


def _cell(axes: Any, y: int, cell: Cell, metric: str, style: Any) -> None:
    seen = [v for t in cell.finals if (v := t.metric(metric)) is not None]
    spread = [y + 0.13 * ((i % 3) - 1) for i in range(len(seen))]
    axes.plot(seen, spread, linestyle="", marker="o", markersize=4, color=style.colour, alpha=0.6, mew=0)
    if cell.interval:
        axes.plot(cell.interval, (y, y), color=style.colour, linewidth=2.2, solid_capstyle="butt")
    axes.plot([cell.mean], [y], marker=style.marker, markersize=7, color=style.colour, linestyle="")


def number_line(study: Study) -> Figure | None:
    """Finals against the value of the one compared axis, where that is a number (a learning rate, a batch size)."""
    points = [(x, c) for c in study.cells if len(c.values) == 1 and (x := _float(next(iter(c.values.values()))))]
    points = sorted(((x, c) for x, c in points if c.mean is not None), key=lambda point: point[0])
    if len(points) < 3 or len(points) < len(study.ranked):
        return None
    slug, metric, axis = f"{study.name}-line", study.metric, study.axes[0]
    with drawing(3.2) as (figure, axes):
        axes.plot([x for x, _ in points], [c.mean for _, c in points], color=COLOURS[0])
        for x, cell in points:
            seen = [v for t in cell.finals if (v := t.metric(metric)) is not None]
            axes.plot([x] * len(seen), seen, "o", color=COLOURS[0], ms=4, alpha=0.6, mew=0)
        if points[0][0] > 0 and points[-1][0] / points[0][0] >= 16:
            log_axis(axes.xaxis)
        axes.set_xlabel(axis)
        axes.set_ylabel(unit(metric))
        percent_axis(axes.yaxis, metric)
        drawn = svg(figure, slug)
    rows = tuple((x, t.seed, t.metric(metric)) for x, c in points for t in c.finals)
    n = sorted({c.n for _, c in points})
    caption = (
        f"Every final a dot against {axis} (n={n[0]}{f' to {n[-1]}' if len(n) > 1 else ''} per value), the line "
        "through their means. A value without a dot never finished: it diverged or failed."
    )
    return Figure(
        slug, f"{metric.replace('/', ' ').capitalize()} by {axis}", drawn, caption, (axis, "seed", metric), rows
    )


def _float(told: Any) -> float | None:
    try:
        return float(told)
    except (TypeError, ValueError):
        return None


def shorten(label: str, most: int = 30) -> str:
    """A label short enough for an axis."""
    return label if len(label) <= most else f"{label[: most - 1]}…"
