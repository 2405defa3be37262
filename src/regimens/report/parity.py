"""Published numbers against our distribution, from the cells of `results/parity.json` (label = id in published.csv)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import mean, stdev
from typing import Any

from regimens.core.shares import is_share
from regimens.report.canvas import INK, Figure, drawing, svg
from regimens.report.cells import Table
from regimens.report.numbers import MISSING, half_width, interval, listing, plural, value
from regimens.report.palette import COLOURS
from regimens.report.tables import Cell, Study
from regimens.stats.power import detectable

NUMBERS = {
    "val_acc": "val/accuracy", "val_loss": "val/loss", "train_acc": "train/accuracy", "train_loss": "train/loss",
    "test_acc": "test/accuracy", "test_loss": "test/loss",
}  # fmt: skip
WIDE = 0.1  # of an accuracy: an interval wider than ten points holds nearly any number
DEFINITION = (
    "“Inside” means: the published number, one run, lies in the 95% prediction interval for one more run of ours, "
    "mean ± t(0.975, n−1) · sd · √(1 + 1/n), cut at 0 and 100%. With 20 numbers, about one is expected outside by "
    "chance alone. “Would show” is the shift of our mean that puts a published number outside in four of five cases: "
    "one half as large mostly lies inside, too."
)
TRAINING = (
    "The published training numbers are not an epoch's mean: TensorFlow 2.4's progress bar printed the mean over the "
    "steps of the means so far (tensorflow issue 48033), so that the first batches weigh most. They scatter more than "
    "ours (bn_after's first epoch prints 1.23 where ours average 0.85, with the same validation loss after it), and "
    "share one seed's batches; validation and test numbers are free of it"
)
COLUMNS = (
    "experiment",
    "metric",
    "published",
    "our mean",
    "our range",
    "prediction interval",
    "would show",
    "n",
    "verdict",
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
    shows: float | None
    note: str
    explanation: str

    @property
    def inside(self) -> bool | None:
        """Whether the published number lies in the prediction interval; None where there is none."""
        return None if self.interval is None else self.interval[0] <= self.published <= self.interval[1]

    @property
    def wide(self) -> bool:
        """Whether the interval is so wide that to lie in it says nothing."""
        told = self.interval if self.metric.endswith("accuracy") else None
        return told is not None and told[1] - told[0] > WIDE

    @property
    def verdict(self) -> str:
        """`inside`, `outside (ours higher)`, or why neither can be said."""
        if not self.ours:
            return "not run"
        if self.interval is None:
            return "too few runs"
        if self.inside and self.wide:
            return "inside, but too wide to tell"
        side = "higher" if self.published < self.interval[0] else "lower"
        return "inside" if self.inside else f"outside (ours {side})"


def published() -> list[dict[str, str]]:
    """The published experiments, one row each."""
    text = files("regimens.report").joinpath("published.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def comparisons(study: Study | None) -> list[Comparison]:
    """One comparison per published experiment, in the table's order; those that were not run have no runs."""
    return [
        _comparison(study, row, "val_acc" if _alpha(row) or not row["test_acc"] else "test_acc") for row in published()
    ]


def all_comparisons(study: Study | None) -> list[Comparison]:
    """One comparison for every published number: training, validation and test, losses and accuracies."""
    return [_comparison(study, row, column) for row in published() for column in NUMBERS if row[column]]


def _comparison(study: Study | None, row: dict[str, str], column: str) -> Comparison:
    metric, cell = NUMBERS[column], _cell(study, row["id"])
    ours = tuple(v for t in cell.finals if (v := t.metric(metric)) is not None) if cell else ()
    told = row["note"], row["explanation"] or ""
    bounds = prediction(ours, metric)
    return Comparison(row["id"], row["source"], metric, float(row[column]), ours, bounds, would_show(ours), *told)


def _alpha(row: dict[str, str]) -> bool:
    return row["id"] == "alpha_dropout"  # its test number belongs to the same run; compare validation as for its peers


def _cell(study: Study | None, name: str) -> Cell | None:
    for cell in study.cells if study else ():
        if cell.label == name or name in {str(v) for v in cell.values.values()}:
            return cell
    return None


def prediction(values: tuple[float, ...], metric: str = "") -> tuple[float, float] | None:
    """The 95% prediction interval for one more run, of a share between 0 and 1; None below three runs."""
    if len(values) < 3:
        return None
    from scipy.stats import t

    n, middle = len(values), mean(values)
    half = float(t.ppf(0.975, n - 1)) * stdev(values) * (1 + 1 / n) ** 0.5
    low, high = middle - half, middle + half
    return (max(low, 0.0), min(high, 1.0)) if is_share(metric) else (low, high)


def would_show(values: tuple[float, ...]) -> float | None:
    """The shift between our runs and the published ones that a prediction interval shows with a power of 80%."""
    if len(values) < 3:
        return None
    return detectable(stdev(values) * (1 + 1 / len(values)) ** 0.5, len(values) - 1, 0.05)


def parity_answer(study: Study) -> str:
    """How many of the published numbers lie inside."""
    rows = [c for c in comparisons(study) if c.inside is not None]
    if not rows:
        return "No published number could be compared: fewer than three runs of each."
    inside = sum(bool(c.inside) for c in rows)
    outside = [c.id for c in rows if not c.inside]
    vague = [c.id for c in rows if c.inside and c.wide]
    told = f"; outside: {', '.join(outside)}" if outside else ""
    told += f"; inside an interval too wide to tell: {', '.join(vague)}" if vague else ""
    return (
        f"{inside} of {plural(len(rows), 'published number')} ({_kinds(rows)}) lie inside our 95% prediction intervals"
        f"{told}.{_power(rows)}"
    )


def quoted(study: Study) -> str:
    """What is compared with the published numbers: `17 val accuracy and 3 test accuracy of the finals`."""
    return f"{_kinds([c for c in comparisons(study) if c.ours])} of the finals"


def _kinds(rows: Sequence[Comparison]) -> str:
    kinds = Counter(c.metric.replace("/", " ") for c in rows)
    return listing([f"{count} {name}" for name, count in kinds.most_common()])


def _power(rows: Sequence[Comparison]) -> str:
    """What to lie inside is worth: the median shift that would have shown."""
    told = sorted(c.shows for c in rows if c.shows is not None)
    if not told:
        return ""
    shift = half_width(told[len(told) // 2], "accuracy", 1)
    return (
        f" To lie inside is weak evidence: of half of the numbers, only a shift of {shift} or more would mostly show."
    )


def parity_figure(study: Study) -> Figure | None:
    """Our runs as distances from the published number, one line per experiment."""
    rows = [c for c in comparisons(study) if c.ours][::-1]
    if not rows:
        return None
    slug = "parity-figure"
    with drawing(0.3 * len(rows) + 0.9) as (figure, axes):
        for y, c in enumerate(rows):
            colour = COLOURS[0] if c.inside or c.inside is None else COLOURS[4]
            if c.interval:
                axes.plot([100 * (x - c.published) for x in c.interval], (y, y), color=colour, linewidth=2, alpha=0.6)
            axes.plot([100 * (x - c.published) for x in c.ours], [y] * len(c.ours), "o", ms=4, color=colour, mew=0)
        reach = [100 * abs(x - c.published) for c in rows if not c.wide for x in (*c.ours, *(c.interval or ()))]
        limit = 1.1 * max(reach, default=5.0) + 0.1
        axes.set_xlim(-limit, limit)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(rows)), [f"{c.id} ({c.metric.partition('/')[0]})" for c in rows])
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("validation or test accuracy, ours minus published (points)")
        drawn = svg(figure, slug)
    table = tuple((c.id, c.metric, c.published, value) for c in rows[::-1] for value in c.ours)
    low, high = min(len(c.ours) for c in rows), max(len(c.ours) for c in rows)
    caption = (
        f"The line at 0 is the published number (one run). Dots: our runs, one per seed (n={low} to {high}); line: the "
        "95% prediction interval for one more run. Blue: it holds the published number; vermilion: it does not. Lines "
        "that leave the picture are too wide to tell."
    )
    return Figure(slug, "Published numbers", drawn, caption, ("id", "metric", "published", "ours"), table)


def parity_table(study: Study | None) -> Table:
    """Published number, our distribution, inside or not, and the explanation of those outside."""
    rows = []
    for c in comparisons(study):
        rows.append((*_numbers(c), c.explanation or c.note, c.source))
    keys = [(*_keys(c), c.explanation or c.note, c.source) for c in comparisons(study)]
    return Table((*COLUMNS, "note", "source"), tuple(rows), tuple(keys), DEFINITION)


def every_number_table(study: Study | None) -> Table:
    """The same for every published number, losses and training numbers too."""
    found = [c for c in all_comparisons(study) if c.ours]
    caption = "; ".join(_counted(found, part) for part in ("train", "val", "test")) + f". {TRAINING}"
    return Table(COLUMNS, tuple(_numbers(c) for c in found), tuple(_keys(c) for c in found), caption)


def _counted(found: Sequence[Comparison], part: str) -> str:
    own = [c for c in found if c.metric.startswith(part) and c.inside is not None]
    return f"{part}: {sum(bool(c.inside) for c in own)} of {len(own)} inside"


def _numbers(c: Comparison) -> tuple[str, ...]:
    seen = interval((min(c.ours), max(c.ours)), c.metric, 2) if c.ours else MISSING
    means = value(c.published, c.metric, 2), value(_mean(c), c.metric, 2)
    told = interval(c.interval, c.metric, 2) or MISSING
    shows = MISSING if c.shows is None else f"± {half_width(c.shows, c.metric)}"
    return c.id, c.metric.replace("/", " "), *means, seen, told, shows, str(len(c.ours)), c.verdict


def _keys(c: Comparison) -> tuple[Any, ...]:
    first, low = c.interval[0] if c.interval else None, min(c.ours, default=None)
    return c.id, c.metric, c.published, _mean(c), low, first, c.shows, len(c.ours), c.verdict


def _mean(c: Comparison) -> float | None:
    return sum(c.ours) / len(c.ours) if c.ours else None
