"""Curves over epochs and over tuning trials."""

from __future__ import annotations

from collections.abc import Sequence

from regimens.report.canvas import GRID, Figure, drawing, percent_axis, svg, unit
from regimens.report.dots import shorten
from regimens.report.numbers import number
from regimens.report.palette import Palette
from regimens.report.tables import Cell, Study

NAMED = 8


def mean_curve(cell: Cell, name: str) -> list[tuple[int, float, float, float]]:
    """(epoch, mean, lowest, highest) of `name` over a cell's finals, as far as every final got."""
    series = [h for t in cell.finals if (h := t.history(name))]
    rows = []
    for epoch, values in enumerate(zip(*series, strict=False), start=1):
        seen = [v for v in values if v is not None]
        if len(seen) == len(series):
            rows.append((epoch, sum(seen) / len(seen), min(seen), max(seen)))
    return rows


def learning_curves(study: Study, palette: Palette) -> Figure | None:
    """The validation metric by epoch: mean of each cell's finals, band from the lowest to the highest seed."""
    name = study.metric.replace("test/", "val/")
    curves = [(cell, curve) for cell in study.ranked if len(curve := mean_curve(cell, name)) > 1]
    if not curves:
        return None
    slug = f"{study.name}-curves"
    with drawing(3.4) as (figure, axes):
        for _, curve in reversed(curves[NAMED:]):
            axes.plot(*list(zip(*curve, strict=True))[:2], color=GRID, linewidth=1.2)
        for cell, curve in curves[:NAMED]:
            style = palette.cell(study, cell)
            x, mean, low, high = zip(*curve, strict=True)
            axes.fill_between(x, low, high, color=style.colour, alpha=0.13, linewidth=0)
            every = max(1, len(x) // 8)
            axes.plot(
                x, mean, color=style.colour, marker=style.marker, ms=4, markevery=every, label=shorten(cell.label)
            )
        finish(axes, name, "epoch")
        figure.legend(loc="outside lower center", ncols=3 if _short(curves) else 2)
        drawn = svg(figure, slug)
    rows = tuple((cell.label, *row) for cell, curve in curves for row in curve)
    grey = f" Beyond the {NAMED} best, cells are grey." if len(curves) > NAMED else ""
    caption = (
        f"{unit(name).capitalize()} after each epoch: the line is the mean of a cell's finals, the band reaches from "
        f"the lowest to the highest seed ({n_text([c for c, _ in curves])}).{grey}"
    )
    return Figure(slug, "Learning curves", drawn, caption, ("cell", "epoch", "mean", "lowest", "highest"), rows)


def best_of_n(study: Study, palette: Palette) -> Figure | None:
    """What a smaller tuning budget would have found: the expected best after 1, 2, ... tuning trials."""
    curves = [(c, values) for c in study.ranked if len(values := _values(c.row.get("best_of_n"))) > 1]
    if not curves:
        return None
    slug, name = f"{study.name}-budget", str(study.about.get("metric") or "val/accuracy")
    with drawing(3.2) as (figure, axes):
        for _, values in reversed(curves[NAMED:]):
            axes.plot([n for n, _ in values], [v for _, v in values], color=GRID)
        for cell, values in curves[:NAMED]:
            style = palette.cell(study, cell)
            x, y = zip(*values, strict=True)
            axes.plot(x, y, color=style.colour, marker=style.marker, ms=4.5, label=shorten(cell.label))
        finish(axes, name, "tuning trials spent")
        figure.legend(loc="outside lower center", ncols=3 if _short(curves) else 2)
        drawn = svg(figure, slug)
    rows = tuple((cell.label, n, v) for cell, values in curves for n, v in values)
    caption = (
        "How much the answer depends on the tuning budget: the expected best tuning trial if only that many of the "
        "cell's trials had been drawn; a diverged one counts as the worst that the study saw. "
        "Lines that cross say that the ranking depends on the budget; "
        "lines that still rise say that more tuning would help."
    )
    return Figure(slug, "Best of n tuning trials", drawn, caption, ("cell", "trials", name), rows)


def finish(axes: object, metric: str, x: str) -> None:
    """Axis labels with units and whole-number ticks on x."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(x)  # type: ignore[attr-defined]
    axes.set_ylabel(unit(metric))  # type: ignore[attr-defined]
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # type: ignore[attr-defined]
    percent_axis(axes.yaxis, metric)  # type: ignore[attr-defined]


def n_text(cells: Sequence[Cell]) -> str:
    """`n=5 finals each`, or the range where cells differ."""
    counts = sorted({len(c.finals) for c in cells})
    return f"n={counts[0]} finals each" if len(counts) == 1 else f"n={counts[0]} to {counts[-1]} finals"


def _short(curves: Sequence[tuple[Cell, object]]) -> bool:
    return all(len(shorten(cell.label)) <= 16 for cell, _ in curves[:NAMED])


def _values(told: object) -> list[tuple[int, float]]:
    rows = []
    for i, item in enumerate(told if isinstance(told, list) else [], start=1):
        if isinstance(item, dict):
            n, v = number(item.get("n", i)), number(item.get("mean", item.get("value")))
        elif isinstance(item, list) and item:
            n, v = float(i), number(item[0])
        else:
            n, v = float(i), number(item)
        if v is not None:
            rows.append((int(n or i), v))
    return rows
