"""A study in, its section of the report out: answer, evidence, flags, figures, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from regimens.report import answers, curves, dots, heatmap, lr_range, parity, stars, techniques, transfer
from regimens.report.canvas import Figure
from regimens.report.numbers import MISSING, difference, interval, number, p_value, plural, value
from regimens.report.palette import Palette
from regimens.report.tables import BROKEN, Cell, Study

# The chapter's order; studies that it does not name follow by name.
ORDER = [
    "depth", "gradient_flow", "initialization", "init", "initializers", "init_activation", "activations", "norms",
    "norm", "batch_norm", "clipping", "clip", "transfer_ab", "transfer_size", "transfer_pairs", "transfer",
    "pretraining", "optimizers", "lr_range", "schedules", "regularizers", "regularization", "dropout", "recipes",
    "parity",
]  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Rows of text; `keys` are what a column sorts by (None sorts last)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[Any, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One question of the report."""

    id: str
    title: str
    answer: str
    evidence: str = ""
    flags: tuple[tuple[str, str, str], ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    command: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def order(studies: Sequence[Study]) -> list[Study]:
    """Studies in the chapter's order."""
    return sorted(studies, key=lambda s: (ORDER.index(s.name) if s.name in ORDER else len(ORDER), s.name))


def section(study: Study, palette: Palette, settings: Mapping[str, str]) -> Section:
    """The section of one study; a study without results gets one that says so."""
    command = " ".join(["python src/train.py -m", _asked(study), *(f"{k}={v}" for k, v in settings.items())])
    if study.problem:
        return Section(study.name, study.question, answers.answer(study), flags=_flags(study), command=command)
    figures = [replace(f, command=f"{command} && python src/report.py") for f in _figures(study, palette) if f]
    return Section(
        id=study.name,
        title=study.question,
        answer=_answer(study),
        evidence=_evidence(study),
        flags=_flags(study),
        figures=tuple(figures),
        tables=tuple(_tables(study)),
        command=command,
    )


def _asked(study: Study) -> str:
    """`study=optimizers`, or the axes of a study that was written on the command line."""
    if study.about.get("name") != "adhoc":
        return f"study={study.name}"
    options = {a: list(dict.fromkeys(str(c.values.get(a)) for c in study.cells)) for a in study.axes}
    return " ".join(f"{axis}={','.join(values)}" for axis, values in options.items())


def _answer(study: Study) -> str:
    if study.name == "parity":
        return parity.parity_answer(study)
    if proposed := lr_range.range_answer(study):
        return proposed
    special = None
    if transfer.is_transfer(study):
        special = transfer.transfer_answer(study) or heatmap.pair_answer(study)
    return special + answers.caveats(study) if special else answers.answer(study)


def _figures(study: Study, palette: Palette) -> list[Figure | None]:
    if study.name == "parity":
        return [parity.parity_figure(study)]
    if drawn := lr_range.range_figure(study, palette):
        return [drawn]
    first: list[Figure | None] = []
    if transfer.is_transfer(study):
        if by_pair := heatmap.pair_map(study):
            return [by_pair]
        first = [transfer.transfer_figure(study, palette)]
    return [
        *first,
        techniques.gradient_flow(study, palette),
        dots.finals_dots(study, palette),
        None if first else heatmap.grid_map(study),
        dots.number_line(study),
        techniques.lr_curves(study, palette),
        techniques.overfitting(study, palette),
        techniques.head_to_head(study, palette),
        curves.learning_curves(study, palette),
        curves.best_of_n(study, palette),
    ]


def _evidence(study: Study) -> str:
    about, tuned = study.about, study.about.get("tuned")
    named = ", ".join(str(t) for t in tuned) if isinstance(tuned, list | Mapping) else tuned
    parts = [f"Compared: {', '.join(study.axes) or 'one regimen'} ({plural(len(study.cells), 'cell')})"]
    parts.append(f"tuned: {named}" if tuned else "nothing tuned")
    if tuned and (each := number(about.get("budget"))):
        parts.append(f"{plural(int(each), 'tuning trial')} per cell ({about.get('sampler') or 'one sampler'})")
    if seeds := number(about.get("seeds")):
        parts.append(f"{plural(int(seeds), 'seed')} per cell")
    if about.get("reference"):
        parts.append(f"“default” is {about['reference']}")
    parts.append(f"selected by {about.get('metric', 'val/accuracy')}, quoted: {study.metric} of the finals")
    how = (
        "Intervals of the mean are 95%, by bootstrap over seeds (with few seeds rather too narrow than too wide); "
        "comparisons are paired by seed and Holm-corrected; the best cell is picked from the same finals."
    )
    return "; ".join(parts) + ". " + how


def _flags(study: Study) -> tuple[tuple[str, str, str], ...]:
    found = [(cell.label, kind, text) for cell in study.cells for kind, text in answers.flags(cell)]
    if not study.cells:
        bad = [t for t in study.trials if t.status in BROKEN | {"diverged"}]
        found += [(str(t.raw.get("name", study.name)), t.status, _error(t.raw)) for t in bad[:20]]
    return tuple(found)


def _error(raw: Mapping[str, Any]) -> str:
    error = raw.get("error") or {}
    return str(error.get("message") or "no message").splitlines()[0] if isinstance(error, Mapping) else str(error)


def _tables(study: Study) -> list[Table]:
    if study.name == "parity":
        return [parity_table(study)]
    tables = [cell_table(study)]
    if rated := stars.ratings(study):
        tables.append(_stars(*rated))
    return tables


def cell_table(study: Study) -> Table:
    """One row per cell: mean, interval, comparisons, tuned values, flags."""
    metric, ranked = study.metric, study.ranked
    ordered = [*ranked, *(c for c in study.cells if c not in ranked)]
    named = [n for n in ("vs_best", "vs_default") if any(c.row.get(n) for c in study.cells)]
    tuned = any(c.row.get("best_params") for c in study.cells)
    columns = ["cell", f"mean {metric.replace('/', ' ')}", "95% interval", "n", "sd"]
    columns += [head for n in named for head in (n.replace("vs_", "against "), "p (Holm)")]
    columns += ["tuned to"] * tuned + ["flags"]
    rows, keys = zip(*(_row(c, metric, named, tuned) for c in ordered), strict=True)
    return Table(tuple(columns), rows, keys)


def _row(cell: Cell, metric: str, named: list[str], tuned: bool) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    sd = number(cell.row.get("sd"))
    text = [cell.label, value(cell.mean, metric, 2), interval(cell.interval, metric, 2) or MISSING, str(cell.n)]
    text.append(value(sd, metric, 2))
    keys: list[Any] = [cell.label, cell.mean, cell.interval[0] if cell.interval else None, cell.n, sd]
    for name in named:
        row = cell.row.get(name) or {}
        diff, p = number(row.get("diff")), number(row.get("p_holm"))
        text += [difference(diff, metric), p_value(p)]
        keys += [diff, p]
    if tuned:
        params = cell.row.get("best_params") or {}
        text.append(", ".join(f"{k}={_short(v)}" for k, v in params.items()) or MISSING)
        keys.append(number(next(iter(params.values()), None)))
    kinds = list(dict.fromkeys(kind for kind, _ in answers.flags(cell)))
    return (*text, ", ".join(kinds) or MISSING), (*keys, ", ".join(kinds) or None)


def _short(told: Any) -> str:
    return f"{told:.3g}" if isinstance(told, float) else str(told)


def _stars(definition: str, rated: Sequence[stars.Rating]) -> Table:
    columns = ("optimizer", "epochs to target", "speed", "quality", "in the chapter (speed / quality)")
    rows = tuple((r.label, str(r.epochs or MISSING), r.speed, r.quality, r.chapter) for r in rated)
    keys = tuple((r.label, r.epochs, len(r.speed), len(r.quality), r.chapter) for r in rated)
    return Table(columns, rows, keys, definition)


def parity_table(study: Study | None) -> Table:
    """Published number, our distribution, inside or not, and the explanation of those outside."""
    rows, keys = [], []
    for c in parity.comparisons(study):
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
    return Table((*columns, "note", "source"), tuple(rows), tuple(keys), parity.DEFINITION)
