"""The chapter's "speed of convergence / quality" stars, measured again with a stated definition."""

from __future__ import annotations

from dataclasses import dataclass

from regimens.report.cells import Table
from regimens.report.curves import mean_curve
from regimens.report.numbers import MISSING, half_width, number, value
from regimens.report.tables import Cell, Study
from regimens.report.targets import COLUMNS, Reach, keys, mean, metric_of, reached, texts
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
METRIC = "val/accuracy"
SHARE = 0.98

GOOD = 0.02  # below the best: two stars

DEFINITION = (
    "Speed: epochs until a final's validation accuracy first reaches {target}{why}; ★★★ within 1.5 times the fastest "
    "cell's mean, ★★ within 3 times, ★ slower, or where a final never gets there, from one end to the other of the "
    "mean's 95% interval. Quality: ★★★ at most {margin} below the best, ★★ at most 2 points, ★ more, from one end to "
    "the other of the simultaneous 95% interval of the difference: “★ to ★★★” is undecided, and “untested” has too few "
    "finals."
)
NO_TARGET = ", which is 98% of the best cell's mean at the end"
MARGIN = 0.005  # of equality, where a study states none


@dataclass(frozen=True)
class Rating:
    """One optimiser's measured stars beside the chapter's; reached: when each final did, None where it never did."""

    label: str
    reached: tuple[Reach | None, ...]
    speed: str
    quality: str
    chapter: str


def ratings(study: Study) -> tuple[str, list[Rating]] | None:
    """(definition, one rating per cell); None unless optimisers are compared by accuracy."""
    if study.axes != ["optimizer"] or "accuracy" not in study.metric or len(study.ranked) < 2:
        return None
    ends = [curve[-1][1] for c in study.ranked if (curve := mean_curve(c, METRIC))]
    if not ends:
        return None
    named = number(study.about.get("target")) if metric_of(study) == METRIC else None
    target, within = named or SHARE * max(ends), number(study.about.get("margin")) or MARGIN
    found = {c.label: tuple(reached(c, METRIC, target)) for c in study.ranked}
    means = [told.mean for one in found.values() if (told := mean(one, "epochs"))]
    fastest = min(means, default=None)
    rows = [
        Rating(c.label, found[c.label], _speed(found[c.label], fastest), _quality(c, study, within), _chapter(c))
        for c in study.ranked
    ]
    margin = half_width(within, study.metric, 1).replace("pts", "points")
    why = "" if named else NO_TARGET
    return DEFINITION.format(target=value(target, study.metric), why=why, margin=margin), rows


def _speed(found: tuple[Reach | None, ...], fastest: float | None) -> str:
    if fastest is None or not found:
        return MISSING
    told = mean(found, "epochs")
    if told is None:
        return "★"
    ends = [max(x, 0.0) for x in (told.low, told.high) if x is not None] or [told.mean]
    stars = [3 if e <= 1.5 * fastest else 2 if e <= 3 * fastest else 1 for e in ends]
    return _range(min(stars), max(stars))


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
    columns = ("optimizer", *COLUMNS, "speed", "quality", "in the chapter (speed / quality)")
    rows = tuple((r.label, *texts(r.reached), r.speed, r.quality, r.chapter) for r in rated[1])
    sorts = tuple((r.label, *keys(r.reached), _stars(r.speed), _stars(r.quality), r.chapter) for r in rated[1])
    return Table(columns, rows, sorts, rated[0])


def _stars(text: str) -> int | None:
    """What a range of stars is sorted by: its lower end first."""
    low, _, high = text.partition(" to ")
    return 10 * low.count("★") + (high or low).count("★") if "★" in text else None
