"""Figures that belong to one kind of technique: learning-rate schedules, regularisers, whole recipes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regimens.report.canvas import Figure, drawing, log_axis, percent_axis, svg, unit
from regimens.report.curves import NAMED, finish, mean_curve, n_text
from regimens.report.dots import shorten
from regimens.report.numbers import difference, number, value
from regimens.report.palette import Palette
from regimens.report.tables import Cell, Study, Trial


def lr_curves(study: Study, palette: Palette) -> Figure | None:
    """The learning rate as really used, above the validation loss; None unless schedules are compared."""
    shown = [(c, c.finals[0]) for c in study.ranked if c.finals and c.finals[0].history("lr")][:NAMED]
    if "scheduler" not in {a.split(".")[0] for a in study.axes} or not shown:
        return None
    slug, rows = f"{study.name}-lr", []
    with drawing(5.0, rows=2, sharex=True) as (figure, (upper, lower)):
        for cell, trial in shown:
            style, points = palette.cell(study, cell), _lr_points(trial)
            upper.plot(*zip(*points, strict=True), color=style.colour, label=shorten(cell.label))
            upper.plot(*points[-1], marker=style.marker, color=style.colour, ms=5)
            losses = mean_curve(cell, "val/loss")
            if losses:
                x, y = [r[0] for r in losses], [r[1] for r in losses]
                lower.plot(x, y, color=style.colour, marker=style.marker, ms=4, markevery=max(1, len(x) // 8))
            rows += [(cell.label, trial.seed, x, lr) for x, lr in points]
        log_axis(upper.yaxis)
        upper.set_ylabel("learning rate")
        finish(lower, "val/loss", "epoch")
        figure.legend(loc="outside lower center", ncols=3)
        drawn = svg(figure, slug)
    caption = (
        "Above: the learning rate that the optimiser really used, at the start and the end of every epoch (first seed; "
        f"logarithmic). Below: validation loss, mean of the finals ({n_text([c for c, _ in shown])}). "
        "A level line above means a schedule that never acted."
    )
    return Figure(slug, "Learning rate as used", drawn, caption, ("cell", "seed", "epoch", "lr"), tuple(rows))


def _lr_points(trial: Trial) -> list[tuple[float, float]]:
    first, last = trial.history("lr/first"), trial.history("lr")
    points = []
    for i, end in enumerate(last):
        start = first[i] if i < len(first) else None
        points += [(i + 0.0, start)] if start else []
        points += [(i + 1.0, end)] if end else []
    return points


def overfitting(study: Study, palette: Palette) -> Figure | None:
    """Training minus validation accuracy of every final, and the share of zero weights where it was counted."""
    axes_ = {a.split(".")[0] for a in study.axes}
    shown = [c for c in study.ranked if _gaps(c)]
    if not axes_ & {"regularization"} or not shown:
        return None
    sparse = any(_zero_shares(c) for c in shown)
    slug, n = f"{study.name}-gap", len(shown)
    with drawing(0.26 * n + 0.9, columns=1 + sparse, sharey=True, squeeze=False) as (figure, grid):
        for y, cell in enumerate(reversed(shown)):
            style = palette.cell(study, cell)
            for axis, values in zip(grid[0], (_gaps(cell), _zero_shares(cell)), strict=False):
                axis.plot(values, [y] * len(values), "o", ms=3.2, alpha=0.55, color=style.colour, mew=0)
                if values:
                    axis.plot(sum(values) / len(values), y, marker=style.marker, ms=7, color=style.colour)
        grid[0][0].set_yticks(range(n), [shorten(c.label, 20) for c in reversed(shown)])
        grid[0][0].set_ylim(-0.6, n - 0.4)
        for axis, name in zip(grid[0], ("train − validation (points)", "weights exactly zero (%)"), strict=False):
            axis.set_xlabel(name)
            percent_axis(axis.xaxis, "accuracy")
            axis.grid(axis="y", visible=False)
        drawn = svg(figure, slug)
    rows = tuple((c.label, t.seed, _gap(t), _zero_share(t)) for c in shown for t in c.finals)
    caption = (
        "Left: training minus validation accuracy of the epoch whose weights each final ends with, every final a dot, "
        f"the large mark their mean ({n_text(shown)}). Training accuracy is measured while training, with dropout on, "
        "so that a negative gap is possible."
        + (" Right: the share of kernel weights that are exactly zero, where the trial counted them." if sparse else "")
    )
    return Figure(slug, "Gap and sparsity", drawn, caption, ("cell", "seed", "gap", "zero share"), rows)


def gap_sentence(study: Study) -> str | None:
    """Where training runs ahead of validation most and least, and which cell ends with zeros; None elsewhere."""
    if "regularization" not in {a.split(".")[0] for a in study.axes}:
        return None
    gaps = sorted((sum(g) / len(g), c.label) for c in study.ranked if (g := _gaps(c)))
    if len(gaps) < 2:
        return None
    (low, least), (high, most) = gaps[0], gaps[-1]
    text = f"Training ends {difference(high, 'accuracy', 1)} from validation with {most}, "
    text += f"{difference(low, 'accuracy', 1)} with {least} (means, n={len(_gaps(study.ranked[0]))})"
    zeros = max(((sum(z) / len(z), c.label) for c in study.ranked if (z := _zero_shares(c))), default=(0.0, ""))
    return text + (f"; {zeros[1]} sets {value(zeros[0], 'share')} of the weights to zero." if zeros[0] > 0 else ".")


def _gap(trial: Trial) -> float | None:
    train, val = trial.metric("train/accuracy"), trial.metric("val/accuracy")
    return None if train is None or val is None else train - val


def _gaps(cell: Cell) -> list[float]:
    return [g for t in cell.finals if (g := _gap(t)) is not None]


def _zero_share(trial: Trial) -> float | None:
    entries: Sequence[Any] = list((trial.raw.get("acted") or {}).values())
    return next((n for e in entries if isinstance(e, dict) and (n := number(e.get("zero_share"))) is not None), None)


def _zero_shares(cell: Cell) -> list[float]:
    return [z for t in cell.finals if (z := _zero_share(t)) is not None]


def head_to_head(study: Study, palette: Palette) -> Figure | None:
    """Two or three cells over training time: what each recipe costs; None for other studies."""
    if study.name != "recipes":
        return None
    slug, rows = f"{study.name}-time", []
    with drawing(3.2) as (figure, axes):
        for cell in study.ranked[:NAMED]:
            style = palette.cell(study, cell)
            points = [(t.metric("time/train"), t.metric(study.metric), t.seed) for t in cell.finals]
            seen = [(x, y, s) for x, y, s in points if x is not None and y is not None]
            axes.plot(
                [p[0] for p in seen], [p[1] for p in seen], style.marker, color=style.colour, label=shorten(cell.label)
            )
            rows += [(cell.label, s, x, y) for x, y, s in seen]
        axes.set_xlabel("training time (s)")
        axes.set_ylabel(unit(study.metric))
        percent_axis(axes.yaxis, study.metric)
        figure.legend(loc="outside lower center", ncols=2)
        drawn = svg(figure, slug)
    caption = (
        f"Every final a mark ({n_text(study.ranked)}): what the recipe reaches against what its training took on this "
        "machine. Up and to the left is better."
    )
    return Figure(slug, "Quality against time", drawn, caption, ("cell", "seed", "seconds", study.metric), tuple(rows))
