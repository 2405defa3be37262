"""The chapter's "speed of convergence / quality" stars, measured again with a stated definition."""

from __future__ import annotations

from dataclasses import dataclass

from regimens.report.answers import ALPHA, holm
from regimens.report.cells import Table
from regimens.report.curves import mean_curve
from regimens.report.numbers import MISSING, value
from regimens.report.tables import Cell, Study

# handson-ml2 (A. Géron, 2nd edition), chapter 11, table 11-2, given from the book: (speed, quality) from 1 to 3.
CHAPTER = {
    "sgd": "★ / ★★★",
    "momentum": "★★ / ★★★",
    "nesterov": "★★ / ★★★",
    "adagrad": "★★★ / ★ (stops too early)",
    "rmsprop": "★★★ / ★★ or ★★★",
    "adam": "★★★ / ★★ or ★★★",
    "nadam": "★★★ / ★★ or ★★★",
    "adamax": "★★★ / ★★ or ★★★",
}
SHARE = 0.98

DEFINITION = (
    "Speed: epochs until the mean validation accuracy first reaches {target}, which is 98% of the best cell's at the "
    "end; ★★★ within 1.5 times the fastest cell's epochs, ★★ within 3 times, ★ slower or never (never: –). Epochs are "
    "whole, so that differences below one epoch do not show. Quality: ★★★ not detectably below the best "
    "(Holm-corrected p ≥ 0.05), ★★ detectably below by at most 1 point, ★ by more; “untested” where there are too "
    "few finals."
)


@dataclass(frozen=True)
class Rating:
    """One optimiser's measured stars beside the chapter's."""

    label: str
    epochs: int | None
    speed: str
    quality: str
    chapter: str


def ratings(study: Study) -> tuple[str, list[Rating]] | None:
    """(definition, one rating per cell); None unless optimisers are compared by accuracy."""
    if study.axes != ["optimizer"] or "accuracy" not in study.metric or len(study.ranked) < 2:
        return None
    curves = {c.label: [(e, m) for e, m, _, _ in mean_curve(c, "val/accuracy")] for c in study.ranked}
    ends = [curve[-1][1] for curve in curves.values() if curve]
    if not ends:
        return None
    target = SHARE * max(ends)
    reached = {k: next((e for e, m in curve if m >= target), None) for k, curve in curves.items()}
    fastest = min(e for e in reached.values() if e is not None)
    best = study.ranked[0]
    rows = [
        Rating(c.label, e := reached[c.label], _speed(e, fastest), _quality(c, best), _chapter(c)) for c in study.ranked
    ]
    return DEFINITION.format(target=value(target, study.metric)), rows


def _speed(epochs: int | None, fastest: int) -> str:
    if epochs is None:
        return "★"
    return "★★★" if epochs <= 1.5 * fastest else "★★" if epochs <= 3 * fastest else "★"


def _quality(cell: Cell, best: Cell) -> str:
    if cell is best:
        return "★★★"
    p = holm(cell, "vs_best")
    if p is None or cell.mean is None or best.mean is None:
        return "untested"
    return "★★★" if p >= ALPHA else "★★" if best.mean - cell.mean <= 0.01 else "★"


def _chapter(cell: Cell) -> str:
    return CHAPTER.get(str(cell.values.get("optimizer")), "–")


def stars_table(study: Study) -> Table | None:
    """The stars as a table; None where `ratings` is."""
    rated = ratings(study)
    if rated is None:
        return None
    columns = ("optimizer", "epochs to target", "speed", "quality", "in the chapter (speed / quality)")
    rows = tuple((r.label, str(r.epochs or MISSING), r.speed, r.quality, r.chapter) for r in rated[1])
    keys = tuple((r.label, r.epochs, len(r.speed), len(r.quality), r.chapter) for r in rated[1])
    return Table(columns, rows, keys, rated[0])
