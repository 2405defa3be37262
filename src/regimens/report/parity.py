"""Published numbers against our distribution, from the cells of `results/parity.json` (label = id in published.csv)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

from regimens.report.canvas import INK, Figure, drawing, percent_axis, svg
from regimens.report.cells import Table
from regimens.report.numbers import MISSING, interval, plural, value
from regimens.report.palette import COLOURS
from regimens.report.tables import Cell, Study

DEFINITION = (
    "“Inside” means: the published number, one run, lies in the 95% prediction interval for one more run of ours, "
    "mean ± t(0.975, n−1) · sd · √(1 + 1/n). With 20 numbers, about one is expected outside by chance alone."
)


@dataclass(frozen=True)
class Comparison:
    """One published number against our runs."""

    id: str
    source: str
    metric: str
    published: float
    ours: tuple[float, ...]
    interval: tuple[float, float] | None
    note: str
    explanation: str

    @property
    def inside(self) -> bool | None:
        """Whether the published number lies in the prediction interval; None where there is none."""
        return None if self.interval is None else self.interval[0] <= self.published <= self.interval[1]

    @property
    def verdict(self) -> str:
        """`inside`, `outside (ours higher)`, or why neither can be said."""
        if not self.ours:
            return "not run"
        if self.interval is None:
            return "too few runs"
        side = "higher" if self.published < self.interval[0] else "lower"
        return "inside" if self.inside else f"outside (ours {side})"


def published() -> list[dict[str, str]]:
    """The published experiments, one row each."""
    text = files("regimens.report").joinpath("published.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def comparisons(study: Study | None) -> list[Comparison]:
    """One comparison per published experiment, in the table's order; those that were not run have no runs."""
    rows = []
    for row in published():
        metric = "test/accuracy" if row["test_acc"] and not _alpha(row) else "val/accuracy"
        number = float(row["test_acc"] if metric == "test/accuracy" else row["val_acc"])
        cell = _cell(study, row["id"])
        ours = tuple(v for t in cell.finals if (v := t.metric(metric)) is not None) if cell else ()
        rows.append(
            Comparison(
                row["id"], row["source"], metric, number, ours, prediction(ours), row["note"], row["explanation"] or ""
            )
        )
    return rows


def _alpha(row: dict[str, str]) -> bool:
    return row["id"] == "alpha_dropout"  # its test number belongs to the same run; compare validation as for its peers


def _cell(study: Study | None, name: str) -> Cell | None:
    for cell in study.cells if study else ():
        if cell.label == name or name in {str(v) for v in cell.values.values()}:
            return cell
    return None


def prediction(values: tuple[float, ...]) -> tuple[float, float] | None:
    """The 95% prediction interval for one more run, None below three runs."""
    if len(values) < 3:
        return None
    from statistics import mean, stdev

    from scipy.stats import t

    n, middle = len(values), mean(values)
    half = float(t.ppf(0.975, n - 1)) * stdev(values) * (1 + 1 / n) ** 0.5
    return middle - half, middle + half


def parity_answer(study: Study) -> str:
    """How many of the published numbers lie inside."""
    rows = [c for c in comparisons(study) if c.inside is not None]
    if not rows:
        return "No published number could be compared: fewer than three runs of each."
    inside = sum(bool(c.inside) for c in rows)
    outside = [c.id for c in rows if not c.inside]
    told = f"; outside: {', '.join(outside)}" if outside else ""
    return f"{inside} of {plural(len(rows), 'published number')} lie inside our 95% prediction intervals{told}."


def parity_figure(study: Study) -> Figure | None:
    """Every published number as a star on the distribution of our runs."""
    rows = [c for c in comparisons(study) if c.ours][::-1]
    if not rows:
        return None
    slug = "parity-figure"
    with drawing(0.3 * len(rows) + 0.9) as (figure, axes):
        for y, c in enumerate(rows):
            colour = COLOURS[0] if c.inside or c.inside is None else COLOURS[4]
            if c.interval:
                axes.plot(c.interval, (y, y), color=colour, linewidth=2, alpha=0.6)
            axes.plot(c.ours, [y] * len(c.ours), "o", ms=3.5, color=colour, alpha=0.7, mew=0)
            axes.plot(c.published, y, "*", ms=9, color=INK)
        axes.set_yticks(range(len(rows)), [c.id for c in rows])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("accuracy (%)")
        percent_axis(axes.xaxis, "accuracy")
        drawn = svg(figure, slug)
    table = tuple((c.id, c.metric, c.published, value) for c in rows[::-1] for value in c.ours)
    low, high = min(len(c.ours) for c in rows), max(len(c.ours) for c in rows)
    caption = (
        f"Star: the published number (one run). Dots: our runs, one per seed (n={low} to {high}); line: the 95% "
        "prediction interval for one more run. Blue: the star lies inside; vermilion: outside."
    )
    return Figure(slug, "Published numbers", drawn, caption, ("id", "metric", "published", "ours"), table)


def parity_table(study: Study | None) -> Table:
    """Published number, our distribution, inside or not, and the explanation of those outside."""
    rows, keys = [], []
    for c in comparisons(study):
        mean = sum(c.ours) / len(c.ours) if c.ours else None
        seen = interval((min(c.ours), max(c.ours)), "accuracy", 2) if c.ours else MISSING
        told = interval(c.interval, "accuracy", 2) or MISSING
        means = value(c.published, c.metric, 2), value(mean, c.metric, 2)
        row = (c.id, c.metric.replace("/", " "), *means, seen, told)
        rows.append((*row, str(len(c.ours)), c.verdict, c.explanation or c.note or "", c.source))
        first = c.interval[0] if c.interval else None
        low = min(c.ours) if c.ours else None
        keys.append((c.id, c.metric, c.published, mean, low, first, len(c.ours), c.verdict, c.note, c.source))
    columns = ("experiment", "metric", "published", "our mean", "our range", "prediction interval", "n", "verdict")
    return Table((*columns, "note", "source"), tuple(rows), tuple(keys), DEFINITION)
