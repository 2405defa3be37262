"""Maps of two axes: a grid of cell means, and the gain of transfer for every pair of classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regimens.core.shares import is_share
from regimens.report.canvas import GRID, INK, Figure, drawing, svg
from regimens.report.dots import shorten
from regimens.report.numbers import plural, signed
from regimens.report.tables import Study
from regimens.report.transfer import Pair, effect, pairs
from regimens.stats.random_effects import student


def grid_map(study: Study) -> Figure | None:
    """Cell means over two compared axes (initialisation x activation); None where it is no grid of at least 3 x 2."""
    axes_ = [a for a in study.axes if len({str(c.values.get(a)) for c in study.cells}) > 1]
    if len(axes_) != 2 or any(len(study.axes) != len(c.values) for c in study.cells):
        return None
    across, down = (list(dict.fromkeys(str(c.values[a]) for c in study.cells)) for a in axes_)
    if len(across) > len(down):
        axes_, across, down = axes_[::-1], down, across
    if len(down) < 3:
        return None
    table = np.full((len(down), len(across)), np.nan)
    for c in study.cells:
        if c.mean is not None:
            table[down.index(str(c.values[axes_[1]])), across.index(str(c.values[axes_[0]]))] = c.mean
    scale = 100 if is_share(study.metric) else 1
    slug = f"{study.name}-map"
    drawn = _draw(slug, table * scale, across, down, (axes_[0], axes_[1]))
    rows = tuple((d, a, _none(table[i, j])) for i, d in enumerate(down) for j, a in enumerate(across))
    caption = (
        f"Mean {study.metric.replace('/', ' ')}{' in percent' if scale == 100 else ''} of each combination "
        f"(n={_counts([c.n for c in study.cells])} finals each); stronger colour is "
        "higher, an empty field has no completed final. Intervals are in the table."
    )
    return Figure(
        slug, f"{axes_[1].capitalize()} by {axes_[0]}", drawn, caption, (axes_[1], axes_[0], study.metric), rows
    )


def pair_map(study: Study) -> Figure | None:
    """The gain of transfer for every pair of classes; None where the study has no such pairs."""
    found = pairs(study)
    gains = _gains(found)
    if len(gains) < 3:
        return None
    size = max(max(pair) for pair in gains) + 1
    table = np.full((size, size), np.nan)
    for (one, other), gain in gains.items():
        table[max(one, other), min(one, other)] = 100 * gain
    slug, numbers, names = f"{study.name}-map", [str(i) for i in range(size)], _class_names(study)
    down = [names.get(i, str(i)) for i in range(size)]
    drawn = _draw(slug, table, numbers, down, ("class, by number", "class"), diverging=True)
    seeds = _counts([effect([p for p in found if p.context == c]).seeds for c in {p.context for p in found}])
    better = sum(g > 0 for g in gains.values())
    caption = (
        f"Mean gain of transfer over scratch in points of {study.metric.replace('/', ' ')}, for each of "
        f"{plural(len(gains), 'pair')} of classes as task B (n={seeds} paired seeds each). Blue: transferred is better "
        f"({better} pairs), orange: worse. Single fields are noisy: read the pattern, not a field."
    )
    rows = tuple((*pair, gain) for pair, gain in sorted(gains.items()))
    return Figure(slug, "Gain of transfer by pair of classes", drawn, caption, ("class", "class 2", "gain"), rows)


def pair_answer(study: Study) -> str | None:
    """The sentence of a study over pairs of classes: how many gain, and the mean gain with its interval over pairs."""
    gains = list(_gains(pairs(study)).values())
    told = pair_gain(study)
    if told is None:
        return None
    mean, low, high, _ = told
    verdict = "Transfer helps on average" if low > 0 else "Transfer hurts on average" if high < 0 else "Undecided"
    return (
        f"{verdict} over {len(gains)} pairs of classes: {signed(mean)} points [{signed(low)}, {signed(high)}] "
        f"(pairs taken as independent); better in {sum(g > 0 for g in gains)}, worse in {sum(g < 0 for g in gains)}. "
        "This is what these networks of task A give, one a pair: briefly trained ones have little to pass on."
    )


def pair_gain(study: Study) -> tuple[float, float, float, int] | None:
    """(mean gain of transfer over pairs of classes, low, high, number of pairs); None below three pairs."""
    gains = list(_gains(pairs(study)).values())
    if len(gains) < 3:
        return None
    found = student(gains)
    return found.mean, found.low or 0.0, found.high or 0.0, len(gains)


def _gains(found: Sequence[Pair]) -> Mapping[tuple[int, int], float]:
    gains: dict[tuple[int, int], list[float]] = {}
    for p in found:
        digits = re.findall(r"\d+", p.context)
        if len(digits) == 2:
            gains.setdefault((int(digits[0]), int(digits[1])), []).append(p.transferred - p.scratch)
    return {pair: float(np.mean(g)) for pair, g in gains.items()}


def _class_names(study: Study) -> Mapping[int, str]:
    """number -> `5 Sandal`, from the tasks' own counts of their two classes."""
    names: dict[int, str] = {}
    for cell in study.cells:
        data = (cell.finals[0].raw.get("provenance") or {}).get("data") if cell.finals else None
        task, counts = (data or {}).get("task") or {}, (data or {}).get("class_counts") or {}
        for number, name in zip(task.get("b_classes") or (), counts.get("train") or (), strict=False):
            names[int(number)] = str(name) if str(name) == str(number) else f"{number} {name}"
    return names


def _draw(
    slug: str, table: np.ndarray, across: list[str], down: list[str], names: tuple[str, str], diverging: bool = False
) -> str:
    """A heat map whose strength of colour is alpha, so that it works on a light and on a dark page."""
    from matplotlib.patches import Rectangle

    top = float(np.nanmax(np.abs(table))) or 1.0
    low = 0.0 if diverging else float(np.nanmin(table))
    with drawing(0.36 * len(down) + 1.4) as (figure, axes):
        for i, row in enumerate(table):
            for j, x in enumerate(row):
                if np.isfinite(x):
                    share = abs(x) / top if diverging else (x - low) / ((top - low) or 1.0)
                    colour = "#c97a00" if diverging and x < 0 else "#1f7fc4"
                    alpha = 0.06 + 0.6 * share
                    axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, color=colour, alpha=alpha, linewidth=0))
                    text = f"{x:+.1f}" if diverging else f"{x:.1f}" if abs(x) >= 1 else f"{x:.2g}"
                    axes.text(j, i, text, ha="center", va="center", fontsize=8, color=INK)
        _frame(axes, across, down, names)
        return svg(figure, slug)


def _frame(axes: Any, across: list[str], down: list[str], names: tuple[str, str]) -> None:
    tilted = max(len(a) for a in across) > 3 and len(across) > 4
    axes.set_xticks(range(len(across)), [shorten(a, 18) for a in across], rotation=40 if tilted else 0)
    if tilted:
        for label in axes.get_xticklabels():
            label.set_ha("right")
            label.set_rotation_mode("anchor")
    axes.set_yticks(range(len(down)), [shorten(d, 20) for d in down])
    axes.set_xlim(-0.5, len(across) - 0.5)
    axes.set_ylim(len(down) - 0.5, -0.5)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(GRID)


def _counts(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _none(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
