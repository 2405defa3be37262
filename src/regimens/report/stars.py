"""The chapter's "speed of convergence / quality" stars, measured again with a stated definition."""

from __future__ import annotations

from dataclasses import dataclass

from regimens.report.cells import Table
from regimens.report.curves import mean_curve
from regimens.report.numbers import MISSING, half_width, number, value
from regimens.report.tables import Cell, Study
from regimens.report.verdicts import against

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

GOOD = 0.02  # below the best: two stars

DEFINITION = (
    "Speed: epochs until a final's validation accuracy first reaches {target}, which is 98% of the best cell's mean at "
    "the end; ★★★ within 1.5 times the fastest cell's mean, ★★ within 3 times, ★ slower or never (–), from the slowest "
    "to the fastest seed. Epochs are whole, so that differences below one do not show. Quality: ★★★ at most {margin} "
    "below the best, ★★ at most 2 points, ★ more, from one end to the other of the simultaneous 95% interval of the "
    "difference: “★ to ★★★” is undecided, and “untested” has too few finals."
)
MARGIN = 0.005  # of equality, where a study states none


@dataclass(frozen=True)
class Rating:
    """One optimiser's measured stars beside the chapter's; epochs: of each final, None where it never got there."""

    label: str
    epochs: tuple[int | None, ...]
    speed: str
    quality: str
    chapter: str


def ratings(study: Study) -> tuple[str, list[Rating]] | None:
    """(definition, one rating per cell); None unless optimisers are compared by accuracy."""
    if study.axes != ["optimizer"] or "accuracy" not in study.metric or len(study.ranked) < 2:
        return None
    ends = [curve[-1][1] for c in study.ranked if (curve := mean_curve(c, "val/accuracy"))]
    if not ends:
        return None
    target, within = SHARE * max(ends), number(study.about.get("margin")) or MARGIN
    reached = {c.label: _reached(c, target) for c in study.ranked}
    means = [sum(e for e in seen if e) / len(seen) for seen in reached.values() if seen and all(seen)]
    fastest = min(means, default=None)
    rows = [
        Rating(c.label, reached[c.label], _speed(reached[c.label], fastest), _quality(c, study, within), _chapter(c))
        for c in study.ranked
    ]
    margin = half_width(within, study.metric, 1).replace("pts", "points")
    return DEFINITION.format(target=value(target, study.metric), margin=margin), rows


def _reached(cell: Cell, target: float) -> tuple[int | None, ...]:
    """The epoch, from 1, in which each final first has the target; None where it never does."""
    curves = [trial.history("val/accuracy") for trial in cell.finals]
    return tuple(
        next((epoch for epoch, one in enumerate(curve, start=1) if one is not None and one >= target), None)
        for curve in curves
    )


def _speed(reached: tuple[int | None, ...], fastest: float | None) -> str:
    if fastest is None or not reached:
        return MISSING
    each = [1 if e is None else 3 if e <= 1.5 * fastest else 2 if e <= 3 * fastest else 1 for e in reached]
    return _range(min(each), max(each))


def _quality(cell: Cell, study: Study, within: float) -> str:
    if cell is study.ranked[0]:
        return "★★★"
    one = against(cell, "vs_best")
    if one is None or one.low is None or one.high is None:
        return "untested"
    below = sorted((-one.low, -one.high) if study.maximize else (one.low, one.high))
    nearest, farthest = (3 if gap <= within else 2 if gap <= GOOD else 1 for gap in below)
    return _range(farthest, nearest)


def _range(low: int, high: int) -> str:
    return "★" * high if low == high else f"{'★' * low} to {'★' * high}"


def _chapter(cell: Cell) -> str:
    return CHAPTER.get(str(cell.values.get("optimizer")), "–")


def stars_table(study: Study) -> Table | None:
    """The stars as a table; None where `ratings` is."""
    rated = ratings(study)
    if rated is None:
        return None
    columns = ("optimizer", "epochs to target", "speed", "quality", "in the chapter (speed / quality)")
    rows = tuple((r.label, _epochs(r.epochs), r.speed, r.quality, r.chapter) for r in rated[1])
    keys = tuple((r.label, _mean(r.epochs), _stars(r.speed), _stars(r.quality), r.chapter) for r in rated[1])
    return Table(columns, rows, keys, rated[0])


def _epochs(reached: tuple[int | None, ...]) -> str:
    """`2.4 (2 to 3)`: mean and range over finals."""
    mean, seen = _mean(reached), [e for e in reached if e is not None]
    if mean is None:
        return f"{min(seen)} to never" if seen else MISSING
    return f"{mean:.1f} ({min(seen)} to {max(seen)})" if min(seen) < max(seen) else str(seen[0])


def _mean(reached: tuple[int | None, ...]) -> float | None:
    seen = [e for e in reached if e is not None]
    return sum(seen) / len(seen) if seen and len(seen) == len(reached) else None


def _stars(text: str) -> int | None:
    """What a range of stars is sorted by: its lower end first."""
    low, _, high = text.partition(" to ")
    return 10 * low.count("★") + (high or low).count("★") if "★" in text else None
