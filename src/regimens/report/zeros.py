"""How many weights each cell leaves near zero, and at what accuracy: of studies with `probe=zeros`."""

from __future__ import annotations

from regimens.report.canvas import Figure, drawing, percent_axis, svg, unit
from regimens.report.curves import n_text
from regimens.report.dots import shorten
from regimens.report.numbers import difference, interval, listing, value
from regimens.report.palette import Palette
from regimens.report.tables import Cell, Study
from regimens.report.verdicts import against

NEAR, EXACT = "zeros/near_share", "zeros/exact_share"
COLUMNS = ("cell", "seed", "near zero", "exactly zero", "metric", "with these set to zero")


def zeros_answer(study: Study) -> str | None:
    """How much of each cell's weights is near zero, at what metric, and what it costs to set them to it."""
    found = sorted(((_mean(c, NEAR), c) for c in _counted(study)), key=lambda one: one[0])
    if len(found) < 2:
        return None
    told = [f"{value(near, NEAR, 0)} with {c.label} ({_quality(c, study)})" for near, c in found]
    cells = [c for _, c in found]
    lost = [(_mean(c, _without(study)) - _mean(c, study.metric), c.label) for c in cells]
    most, label = max(lost, key=lambda one: abs(one[0]))
    exact = max(_mean(c, EXACT) for c in cells)
    text = f"The share of weights that end below 0.001 is {listing(told, 8)}: {study.metric.replace('/', ' ')}, "
    text += f"{n_text(cells)}. Setting these to zero changes it by {difference(most, study.metric)} with {label}, and "
    text += "by less elsewhere. "
    return text + (f"Exactly zero are {value(exact, EXACT)} at most." if exact else "None ends at zero itself.")


def _quality(cell: Cell, study: Study) -> str:
    """A cell's difference from the reference, or its mean where there is none."""
    told = against(cell, "vs_default")
    if told is None:
        return f"{value(cell.mean, study.metric)} {interval(cell.interval, study.metric)}"
    return told.interval(study.metric)


def zeros_figure(study: Study, palette: Palette) -> Figure | None:
    """The metric of every final against its share of weights near zero; None without the probe."""
    cells = _counted(study)
    if not cells:
        return None
    slug = f"{study.name}-zeros"
    with drawing(3.4) as (figure, axes):
        for cell in cells:
            style = palette.cell(study, cell)
            for trial in cell.finals:
                axes.plot(trial.metric(NEAR), trial.metric(study.metric), "o", ms=3, alpha=0.55, color=style.colour)
            near, size = _mean(cell, NEAR), {"ms": 8, "color": style.colour, "ls": ""}
            axes.plot(near, _mean(cell, study.metric), style.marker, label=shorten(cell.label), **size)
            axes.plot(near, _mean(cell, _without(study)), style.marker, mfc="none", zorder=3, **size | {"ms": 11})
        axes.set_xlabel("weights below 0.001 (%)")
        axes.set_ylabel(unit(study.metric))
        percent_axis(axes.xaxis, NEAR)
        percent_axis(axes.yaxis, study.metric)
        figure.legend(loc="outside lower center", ncols=3)
        drawn = svg(figure, slug)
    caption = (
        f"Each small dot is one final: its {study.metric.replace('/', ' ')} against the share of its kernel weights "
        f"whose magnitude is below 0.001. The large mark is a cell's mean ({n_text(cells)}), the hollow one around it "
        "the mean with these weights set to zero: a network that can be stored and computed without them."
    )
    names = _names(study)
    rows = tuple((cell.label, t.seed, *map(t.metric, names)) for cell in cells for t in cell.finals)
    return Figure(slug, "Weights near zero", drawn, caption, COLUMNS, rows)


def _counted(study: Study) -> list[Cell]:
    """The cells each of whose finals was looked at."""
    told = [c for c in study.ranked if c.finals]
    return [c for c in told if all(t.metric(name) is not None for t in c.finals for name in _names(study))]


def _names(study: Study) -> tuple[str, str, str, str]:
    """The metrics of the last four COLUMNS."""
    return NEAR, EXACT, study.metric, _without(study)


def _without(study: Study) -> str:
    part, _, measure = study.metric.partition("/")
    return f"{part}/pruned_{measure}"


def _mean(cell: Cell, name: str) -> float:
    seen = [v for t in cell.finals if (v := t.metric(name)) is not None]
    return sum(seen) / len(seen)
