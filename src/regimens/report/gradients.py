"""Vanishing gradients: what reaches each layer of the deepest nets of a study, and the sentence about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from regimens.report.canvas import Figure, drawing, log_axis, svg
from regimens.report.curves import NAMED, finish, n_text
from regimens.report.dots import shorten
from regimens.report.numbers import difference, half_width, interval, listing, number, power_of_ten, value
from regimens.report.palette import Palette
from regimens.report.samples import sample
from regimens.report.tables import Cell, Study, Trial, label_of
from regimens.stats.comparisons import Difference, Rule, against_best, best_of
from regimens.stats.verdicts import EQUAL, UNDECIDED, UNDER_TUNED, WORSE, blamed

Norms = list[list[float | None]]
COLUMNS = ("cell", "seed", "epoch", "layer", "norm")


def deepest(study: Study) -> list[tuple[Cell, Trial, Norms]]:
    """(cell, its first final, gradient norms: epochs x layers) of the probed cells with most layers, in their order."""
    probed = []
    for cell in study.cells:
        trials = [t for t in (*cell.finals, *cell.trials) if norms(t)]
        probed += [(cell, t, norms(t)) for t in trials[:1]]
    most = max((len(table[-1]) for _, _, table in probed), default=0)
    return [one for one in probed if len(one[2][-1]) == most]


def norms(trial: Trial) -> Norms:
    """The trial's gradient norms, an epoch a row, None where a gradient was exactly zero; empty without the probe."""
    flow = trial.raw.get("gradient_flow") or {}
    table = [[number(v) or None for v in row] for row in flow.get("gradient_norm") or []]
    return table if table and any(v is not None for v in table[-1]) else []


def depth_answer(study: Study) -> str | None:
    """How well the deepest nets learn, and how much gradient their first layers get; None without the probe."""
    found = [(c, table) for c, _, table in deepest(study) if c.mean is not None]
    if len(found) < 2:
        return None
    cells = [c for c in study.ranked if c in [one for one, _ in found]]
    told = [f"{_name(c, cells)} {value(c.mean, study.metric)} {interval(c.interval, study.metric)}" for c in cells]
    shares = {c.label: share for c, table in found if (share := first_share(table)) is not None}
    layers = len(found[0][1][-1]) - 1
    text = f"With {layers} hidden layers, {study.metric.replace('/', ' ')} is {listing(told, 6)} ({n_text(cells)})."
    text += deeper(study, cells)
    measured = [c for c in cells if c.label in shares]
    if not measured:
        return text
    best, worst = measured[0], min(measured, key=lambda c: (shares[c.label], c.label))
    text += f" In the first epoch, layer 1 of {_name(worst, cells)} gets {power_of_ten(shares[worst.label])} of the "
    text += "gradient of its last hidden layer"
    return text + (f", that of {_name(best, cells)} {power_of_ten(shares[best.label])}." if best is not worst else ".")


def deeper(study: Study, cells: Sequence[Cell]) -> str:
    """Which of the deepest cells learns best, tested among these alone; empty where too few finals say."""
    samples = {_name(cell, cells): one for cell in cells if (one := sample(cell, study.metric)) is not None}
    if len(samples) < 2:
        return ""
    rule = Rule(study.maximize, number(study.about.get("margin")))
    found, best = against_best(samples, rule), best_of(samples, maximize=study.maximize)
    short = [_name(cell, cells) for cell in cells if cell.row.get("falls_short")]
    words = blamed({label: one.verdict for label, one in found.items()}, {}, short)
    said = {
        word: listing([f"{label} ({_gap(one, study.metric)})" for label, one in found.items() if words[label] == word])
        for word in (WORSE, UNDER_TUNED, EQUAL, UNDECIDED)
    }
    told = [f"{best} does better than {said[WORSE]}"] if said[WORSE] else []
    told += [f"under-tuned: {said[UNDER_TUNED]}"] if said[UNDER_TUNED] else []
    told += [f"equal to {best}: {said[EQUAL]}"] if said[EQUAL] else []
    told += [f"undecided against {best}: {said[UNDECIDED]}"] if said[UNDECIDED] else []
    return f" Tested at this depth, {'; '.join(told)}." if told else ""


def _gap(one: Difference, metric: str) -> str:
    half = (one.high or one.diff) - one.diff
    return f"{difference(one.diff, metric, 1).removesuffix(' pts')} ± {half_width(half, metric, 1)}"


def first_share(table: Norms) -> float | None:
    """Layer 1's gradient norm over the last hidden layer's, in the first epoch; 0 where nothing reaches layer 1."""
    first, last = table[0][0], table[0][-2] if len(table[0]) > 1 else None
    return None if last is None else (first or 0.0) / last


def _name(cell: Cell, among: Sequence[Cell]) -> str:
    """A cell's label without what all the others share (such as the number of layers)."""
    varied = {a: v for a, v in cell.values.items() if len({str(c.values.get(a)) for c in among}) > 1}
    return label_of(varied) if varied else cell.label


def gradient_flow(study: Study, palette: Palette) -> Figure | None:
    """Gradient norm by layer of the deepest nets, first and last epoch; None without the probe."""
    shown = deepest(study)[:NAMED]
    if not shown:
        return None
    slug, rows = f"{study.name}-gradients", []
    with drawing(3.8) as (figure, axes):
        for cell, trial, table in shown:
            style = palette.cell(study, cell)
            _line(axes, table[0], "--", style.colour, marker=None, label=None)
            _line(axes, table[-1], "-", style.colour, marker=style.marker, label=shorten(cell.label))
            for epoch in dict.fromkeys((1, len(table))):
                rows += [(cell.label, trial.seed, epoch, i, v) for i, v in enumerate(table[epoch - 1], start=1)]
        log_axis(axes.yaxis)
        finish(axes, "gradient norm of the kernel", "layer (1 = next to the inputs)")
        figure.legend(loc="outside lower center", ncols=2)
        drawn = svg(figure, slug)
    caption = (
        "How much gradient reaches each layer: the norm of its kernel's gradient, averaged over sampled steps, on a "
        f"logarithmic scale; the first final of each of {len(shown)} cells, the deepest of the study (n=1 a line). "
        "Dashed: first epoch; solid: last. A line that falls by orders of magnitude toward layer 1 is a vanishing "
        "gradient, a gap a gradient of exactly zero; a level line is a healthy net."
    )
    return Figure(slug, "Gradient flow, layer by layer", drawn, caption, COLUMNS, tuple(rows))


def _line(axes: Any, values: Sequence[float | None], line: str, colour: str, **style: Any) -> None:
    seen = [math.nan if v is None else v for v in values]
    every = max(1, len(seen) // 12)
    axes.plot(range(1, len(seen) + 1), seen, line, color=colour, ms=4, markevery=every, **style)
