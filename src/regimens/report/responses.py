"""The metric against what was tuned: every tuning trial, what is as good as the best, and where the finals ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regimens.report.canvas import GRID, Figure, drawing, log_axis, percent_axis, svg, unit
from regimens.report.curves import NAMED
from regimens.report.dots import shorten
from regimens.report.numbers import number
from regimens.report.palette import Palette, Style
from regimens.report.tables import Cell, Study, Trial
from regimens.stats.response_curve import Curve, fit

PANELS = 4  # tuned values that are drawn; a study rarely has more
DECADE = 8.0  # values that span more than this factor are drawn on a logarithmic scale
REACH = 3.0  # below the best point as far as this many times the median cell's distance from it, points are drawn


@dataclass(frozen=True)
class Response:
    """One cell along one tuned value: (value, metric) of each tuning trial and of each final, and the curve through
    the former in the coordinate `at`; metric None where a trial failed or diverged."""

    cell: Cell
    tried: tuple[tuple[float, float | None], ...]
    finals: tuple[tuple[float, float], ...]
    curve: Curve | None


def along(study: Study) -> dict[str, list[Response]]:
    """tuned path -> the cells that were searched along it with at least three values, in the study's order of rank."""
    ordered = [*study.ranked, *(c for c in study.cells if c not in study.ranked)]
    paths = list(dict.fromkeys(p for c in ordered for t in c.trials for p in _params(t)))
    found = {path: [r for c in ordered if (r := _response(study, c, path)) is not None] for path in paths}
    return {path: responses for path, responses in found.items() if responses}


def _response(study: Study, cell: Cell, path: str) -> Response | None:
    """A cell's search along one path: the trials whose other tuned values are those that most of them have."""
    name = str(study.about.get("metric") or "val/accuracy")
    own = [t for t in cell.trials if t.phase == "tuning" and number(_params(t).get(path)) is not None]
    others = Counter(_others(t, path) for t in own)
    # With several values searched one after the other, the ones that vary most along this path are its own search.
    spread = {rest: len({_params(t)[path] for t in own if _others(t, path) == rest}) for rest in others}
    if max(spread.values(), default=0) < 3:
        return None
    rest = max(spread, key=lambda one: spread[one])
    tried = [
        (float(_params(t)[path]), t.metric(name) if t.status == "completed" else None)
        for t in own
        if _others(t, path) == rest
    ]
    points = sorted(tried, key=lambda point: point[0])
    finals = [(number(_params(t).get(path)), t.metric(name)) for t in cell.finals]
    told = tuple((x, y) for x, y in finals if x is not None and y is not None)
    if not told and all(y is None for _, y in points):  # each of its trials diverged
        return None
    xs = [x for x, _ in points]
    sign = 1 if study.maximize else -1
    ys = [None if y is None else sign * y for _, y in points]
    curve = fit([coordinate(x, is_log(xs)) for x in xs], ys, number(study.about.get("margin")))
    return Response(cell, tuple(points), told, curve)


def _params(trial: Trial) -> dict[str, Any]:
    return dict((trial.raw.get("study") or {}).get("params") or {})


def _others(trial: Trial, path: str) -> str:
    return repr(sorted((key, value) for key, value in _params(trial).items() if key != path))


def is_log(xs: Sequence[float]) -> bool:
    """Whether values are searched and drawn by their logarithms."""
    return min(xs) > 0 and max(xs) / min(xs) > DECADE


def coordinate(x: float, log: bool) -> float:
    """Where a value lies on the axis along which its curve was fitted."""
    return math.log10(x) if log else x


def responses(study: Study, palette: Palette) -> Figure | None:
    """The metric against each tuned value, a panel each; None where nothing was searched along three values."""
    found = dict(list(along(study).items())[:PANELS])
    if not found:
        return None
    slug, name, count = f"{study.name}-responses", str(study.about.get("metric") or "val/accuracy"), len(found)
    with drawing(2.6 * count + 0.9, rows=count, squeeze=False) as (figure, grid):
        for (path, shown), axes in zip(found.items(), grid[:, 0], strict=True):
            log = is_log([x for r in shown for x, _ in r.tried])
            for response in reversed(shown):
                grey = response in shown[NAMED:]
                _draw(axes, response, palette.cell(study, response.cell), study.maximize, grey)
            bounds = _limits(shown, study.maximize)
            axes.set_ylim(*bounds)
            axes.set_xlim(*_ends(shown, bounds, log))
            if log:
                log_axis(axes.xaxis)
            axes.set_xlabel(path)
            axes.set_ylabel(unit(name))
            percent_axis(axes.yaxis, name)
        handles = {h.get_label(): h for axes in grid[:, 0] for h in axes.get_legend_handles_labels()[0]}
        figure.legend(handles=list(handles.values())[::-1], loc="outside lower center", ncols=2)
        drawn = svg(figure, slug)
    rows = tuple(row for path, shown in found.items() for r in shown for row in _numbers(path, r))
    columns = ("cell", "tuned", "value", "phase", name)
    return Figure(slug, f"{_title(list(found))}: what was tuned", drawn, _caption(found, name), columns, rows)


def _title(paths: list[str]) -> str:
    names = {"lr": "learning rate"}
    last = [path.rpartition(".")[2] for path in paths]
    return " and ".join(names.get(one, one.replace("_", " ")) for one in dict.fromkeys(last)).capitalize()


def _draw(axes: Any, response: Response, style: Style, maximize: bool, grey: bool) -> None:
    """Hollow marks for tuning trials, thin lines between them, thick what is as good, filled marks for finals."""
    colour = GRID if grey else style.colour
    done = [(x, y) for x, y in response.tried if y is not None]
    label = None if grey else shorten(response.cell.label)
    axes.plot(*zip(*done, strict=True), color=colour, linewidth=0.7, alpha=0.5, marker=style.marker, ms=4, mfc="none")
    curve = response.curve
    if curve is not None and len(curve.points) > 1:
        log = is_log([x for x, _ in response.tried])
        sign = 1 if maximize else -1
        line = [(10**x if log else x, sign * y) for x, y in curve.points]
        axes.plot(*zip(*line, strict=True), color=colour, linewidth=2)
    if response.finals and not grey:
        xs, ys = zip(*response.finals, strict=True)
        axes.plot(xs, ys, "o", color=colour, ms=3, alpha=0.6, mew=0)
        middle = sum(xs) / len(xs), sum(ys) / len(ys)
        axes.plot(*middle, style.marker, color=colour, ms=8, label=label, ls="")


def _limits(shown: Sequence[Response], maximize: bool) -> tuple[float, float]:
    """What is drawn: from the best point as far down as tells the cells apart; what broke down leaves the picture."""
    sign = 1 if maximize else -1
    each = [[sign * y for _, y in (*r.tried, *r.finals) if y is not None] for r in shown]
    top, best = max(max(one) for one in each), sorted(max(one) for one in each)
    everything = sorted(y for one in each for y in one)
    floor = top - REACH * max(top - best[len(best) // 2], top - everything[len(everything) // 3], 1e-9)
    low = max(floor, everything[0])
    room = 0.06 * (top - low or 1.0)
    ends = sign * (low - room), sign * (top + room)
    return min(ends), max(ends)


def _ends(shown: Sequence[Response], bounds: tuple[float, float], log: bool) -> tuple[float, float]:
    """The range of the values whose points are in the picture."""
    inside = [x for r in shown for x, y in (*r.tried, *r.finals) if y is not None and bounds[0] <= y <= bounds[1]]
    at = [coordinate(x, log) for x in inside]
    room = 0.08 * ((max(at) - min(at)) or 1.0)
    low, high = min(at) - room, max(at) + room
    return (10**low, 10**high) if log else (low, high)


def _numbers(path: str, r: Response) -> list[tuple[Any, ...]]:
    tuned = [(r.cell.label, path, x, "tuning", y) for x, y in r.tried]
    return [*tuned, *((r.cell.label, path, x, "final", y) for x, y in r.finals)]


def _caption(found: dict[str, list[Response]], name: str) -> str:
    every = [r for shown in found.values() for r in shown]
    counts = sorted({len(r.tried) for r in every})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    finals = sorted({len(r.finals) for r in every})
    each = f"n={finals[0]}" if len(finals) == 1 else f"n={finals[0]} to {finals[-1]}"
    seeds = "one seed"
    if any(len({x for x, _ in r.tried}) < len(r.tried) for r in every):
        seeds += ", and two more where training fails right beside the best one"
    many = f" Beyond the {NAMED} best, cells are grey." if any(len(shown) > NAMED for shown in found.values()) else ""
    return (
        f"{unit(name).capitalize()} at every value that was tried: hollow marks are tuning trials ({n} per cell, "
        f"{seeds}), the thick line joins what is as good as the best one (to twice the margin), small dots are the "
        f"finals at its middle ({each}), the large mark is their mean. A cell with a thick line is tuned, one without "
        f"has its best at an end; a long one forgives a wrong value. Trials far below are left out.{many}"
    )
