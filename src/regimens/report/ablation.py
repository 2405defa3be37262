"""What a search found, taken apart: how much each value mattered, and the path from the default to the best regimen."""

from __future__ import annotations

from regimens.core.shares import is_share
from regimens.report.canvas import GRID, Figure, drawing, percent_axis, svg, unit
from regimens.report.differences import COLOUR, MARKER
from regimens.report.dots import shorten
from regimens.report.numbers import number
from regimens.report.palette import COLOURS
from regimens.report.tables import Study
from regimens.report.verdicts import against, word
from regimens.stats.verdicts import UNTESTED


def importance(study: Study) -> Figure | None:
    """How much each searched value matters; None of a study that is no search, or whose trials are too few."""
    told = study.about.get("importance")
    if not told:
        return None
    slug, shares = f"{study.name}-importance", {str(name): number(one) or 0.0 for name, one in told.items()}
    with drawing(0.28 * len(shares) + 0.75) as (figure, axes):
        axes.barh([shorten(name) for name in reversed(shares)], list(reversed(shares.values())), color=COLOURS[0])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("importance (share)")
        drawn = svg(figure, slug)
    n = sum(t.phase == "tuning" and t.status == "completed" for t in study.trials)
    caption = (
        f"What the best tenth of {n} tuning trials have in common: PED-ANOVA, in shares of their sum. Of values that "
        "only one option brings, it counts the trials that had this option. What each change is worth is measured by "
        f"study.mode=ablate study.of={study.name}."
    )
    return Figure(slug, "What mattered in the search", drawn, caption, ("value", "importance"), tuple(shares.items()))


def is_path(study: Study) -> bool:
    """Whether the cells are the steps of a path from the default to the best regimen of a search."""
    return study.about.get("mode") == "ablate"


def path_figure(study: Study) -> Figure | None:
    """The finals of each step, in order, with the mean's interval; None of another study."""
    steps = [cell for cell in study.cells if cell.mean is not None]
    if not is_path(study) or len(steps) < 2:
        return None
    slug, metric = f"{study.name}-path", study.metric
    with drawing(0.34 * len(steps) + 0.75) as (figure, axes):
        places = list(range(len(steps)))[::-1]
        axes.plot([cell.mean for cell in steps], places, color=GRID, linewidth=2)
        rows = []
        for y, cell in zip(places, steps, strict=True):
            one = against(cell, "vs_previous")
            colour = COLOUR.get(one.verdict if one else "", COLOURS[7])
            seen = [v for t in cell.finals if (v := t.metric(metric)) is not None]
            axes.plot(seen, [y] * len(seen), "o", color=colour, ms=4, alpha=0.6, mew=0)
            if cell.interval:
                axes.plot(cell.interval, (y, y), color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot([cell.mean], [y], marker=MARKER.get(one.verdict if one else "", "D"), color=colour, ms=7)
            rows.append((cell.label, cell.mean, one.diff if one else None, word(one, study) if one else ""))
        axes.set_yticks(places, [shorten(cell.label) for cell in steps])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(unit(metric))
        percent_axis(axes.xaxis, metric)
        drawn = svg(figure, slug)
    n = sorted({cell.n for cell in steps})
    caption = (
        f"From the default (top) to the best regimen that the search found (bottom), one change more in each line, all "
        f"re-trained with the same {n[0]}{f' to {n[-1]}' if len(n) > 1 else ''} seeds. Large marks are means with "
        "their 95% intervals; their shape and colour say whether this change alone made it better (triangle up), worse "
        "(triangle down) or no difference within the margin (circle); diamonds are undecided."
    )
    return Figure(
        slug, "From the default to the best", drawn, caption, ("step", metric, "gain", "verdict"), tuple(rows)
    )


def path_answer(study: Study) -> str | None:
    """What each change is worth, in order; None of a study that is no path."""
    steps = [(cell, one) for cell in study.cells if (one := against(cell, "vs_previous")) is not None]
    if not is_path(study) or not steps:
        return None
    told = [
        f"{cell.label} {one.interval(study.metric)}" + ("" if one.verdict == UNTESTED else f" ({word(one, study)})")
        for cell, one in steps
    ]
    unit_of = "points" if is_share(study.metric) else study.metric.replace("/", " ")
    return f"From the default to the best in {len(steps)} steps, gains in {unit_of}: {'; '.join(told)}."
