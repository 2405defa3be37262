"""The table of a study: one row per cell, with its mean, comparisons, time, tuned values, what it did and flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regimens.report.answers import flags
from regimens.report.numbers import MISSING, interval, number, p_value, value
from regimens.report.pace import pace
from regimens.report.tables import Cell, Study
from regimens.report.verdicts import against, word


@dataclass(frozen=True)
class Table:
    """Rows of text; `keys` are what a column sorts by (None sorts last)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[Any, ...], ...]
    caption: str = ""


def cell_table(study: Study) -> Table:
    """One row per cell: mean, comparisons with simultaneous intervals and verdicts, time, tuned values, flags."""
    metric, ranked = study.metric, study.ranked
    ordered = [*ranked, *(c for c in study.cells if c not in ranked)]
    named = [n for n in ("vs_best", "vs_default") if any(c.row.get(n) for c in study.cells)]
    tuned = any(c.row.get("best_params") for c in study.cells)
    columns = ["cell", f"mean {metric.replace('/', ' ')}", "95% interval", "n", "sd"]
    columns += [head for n in named for head in (n.replace("vs_", "against "), "p", "verdict")]
    columns += ["s an epoch"] + ["tuned to"] * tuned + ["flags"]
    rows, keys = zip(*(_row(study, c, named, tuned) for c in ordered), strict=True)
    return Table(tuple(columns), rows, keys)


def _row(study: Study, cell: Cell, named: list[str], tuned: bool) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    metric, sd = study.metric, number(cell.row.get("sd"))
    text = [cell.label, value(cell.mean, metric, 2), interval(cell.interval, metric, 2) or MISSING, str(cell.n)]
    text.append(value(sd, metric, 2))
    keys: list[Any] = [cell.label, cell.mean, cell.interval[0] if cell.interval else None, cell.n, sd]
    for name in named:
        one = against(cell, name)
        itself = "best" if name == "vs_best" and cell.row.get("best") else MISSING
        text += [one.interval(metric), p_value(one.p), word(one, study)] if one else [MISSING, MISSING, itself]
        keys += [one.diff, one.p, one.verdict] if one else [None, None, None]
    told = pace(cell)
    text.append(str(told or MISSING))
    keys.append(told.seconds if told else None)
    if tuned:
        params = cell.row.get("best_params") or {}
        text.append(", ".join(f"{k.split('.')[-1]}={_short(v)}" for k, v in params.items()) or MISSING)
        keys.append(number(next(iter(params.values()), None)))
    kinds = list(dict.fromkeys(kind for kind, _ in flags(cell)))
    return (*text, ", ".join(kinds) or MISSING), (*keys, ", ".join(kinds) or None)


def _short(told: Any) -> str:
    return f"{told:.3g}" if isinstance(told, float) else str(told)


def did_table(study: Study) -> Table | None:
    """What each cell's techniques did, so that one that did nothing is seen; None where none has anything to tell."""
    rows = tuple((c.label, _did(c)) for c in study.ranked if _did(c))
    caption = "As counted while the first final of each cell trained."
    return Table(("cell", "what its techniques did"), rows, rows, caption) if rows else None


def _did(cell: Cell) -> str:
    """What the compared techniques did in the cell's first final, in the words of its result."""
    acted = cell.finals[0].raw.get("acted") if cell.finals else None
    entries = acted.items() if isinstance(acted, dict) else ()
    return "; ".join(
        str(e["what"]) for name, e in entries if name != "dead_units" and isinstance(e, dict) and e.get("what")
    )
