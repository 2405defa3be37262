"""The table at the end of a study, for people: best first, with intervals and verdicts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regimens.core.metrics import figures, in_unit
from regimens.stats.verdicts import EQUAL
from regimens.study.definition.study import Study

SHOWN = 40


def print_summary(study: Study, table: Mapping[str, Any]) -> None:
    """Print the cells, best first; those of a study that only measures in their own order, with no verdicts."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    sign = -1 if study.maximize else 1
    rows = list(table["cells"])
    columns = [axis(rows) or "cell", table["study"]["final_metric"], "95% interval", "n"]
    if study.judged:
        rows.sort(key=lambda row: (row["mean"] is None, sign * (row["mean"] or 0), not row["best"], row["label"]))
        columns += ["best values", "against the best"]
    shown = Table(
        title=study.question, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for column in columns:
        # In 80 columns the verdict is what is folded, not the numbers.
        shown.add_column(column, overflow="fold", no_wrap=column not in ("cell", "best values", "against the best"))
    for row in rows[:SHOWN]:
        label = row["label"].partition("=")[2] if axis(rows) else row["label"]
        about = table["study"]
        told = cells(row, about.get("margin"), in_unit(str(about["final_metric"])))
        shown.add_row(label, *told[: len(columns) - 1])
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(shown)
    if len(rows) > SHOWN:
        console.print(f"and {len(rows) - SHOWN} more cells")
    if table.get("pareto"):
        console.print(_front(study, table["pareto"]))


def axis(rows: Sequence[Mapping[str, Any]]) -> str:
    """The one compared axis; empty where there are several or none."""
    names = {name for row in rows for name in row["cell"]}
    return names.pop() if len(names) == 1 and all("=" in row["label"] for row in rows) else ""


def _front(study: Study, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The Pareto front, best in the first metric first."""
    from rich.table import Table

    names = [name for name, _ in study.objectives]
    sign = -1 if study.maximize else 1
    shown = Table(title=f"trials that no other beats in {' and '.join(names)}", title_justify="left")
    for column in ("cell", "trial", *names, "values"):
        shown.add_column(column, overflow="fold")
    for row in sorted(rows, key=lambda row: sign * row[names[0]]):
        cell = ",".join(f"{axis}={value}" for axis, value in row["cell"].items())
        shown.add_row(
            cell, f"{row['phase']} {row['number']}", *(f"{row[name]:.6g}" for name in names), _told(row["params"])
        )
    return shown


def _told(params: Mapping[str, Any]) -> str:
    """Tuned values as text, by the last part of their paths."""
    short = {k.rpartition(".")[2]: v for k, v in params.items()}
    told = short.items() if len(short) == len(params) else params.items()
    return ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in told)


def cells(
    row: Mapping[str, Any], margin: float | None = None, in_its_unit: bool = False
) -> tuple[str, str, str, str, str]:
    """Mean, interval, n, values and verdict of one row, as text."""
    form = figures if in_its_unit else "{:.4f}".format
    mean = "-" if row["mean"] is None else form(row["mean"])
    interval = "-" if row["ci_low"] is None else f"{form(row['ci_low'])} .. {form(row['ci_high'])}"
    flags = "".join(f" ({path} at its {edge} edge)" for path, edge in row["edge_flags"].items())
    return mean, interval, str(row["n"]), _told(row["best_params"]) + flags, verdict(row, margin, form)


def verdict(row: Mapping[str, Any], margin: float | None, form: Callable[[float], str]) -> str:
    """What a cell's comparison with the best says, with the difference's interval: `worse (-0.035 ± 0.012)`."""
    against = row["vs_best"]
    if against is None:
        return "best" if row.get("best") else "" if row["mean"] is not None else "no result"
    if against["ci_high"] is None:
        return f"{against['verdict']} (n = {min(against['n'])})"
    word = f"equal within {margin:g}" if against["verdict"] == EQUAL and margin else against["verdict"]
    sign = "" if against["diff"] < 0 else "+"
    return f"{word} ({sign}{form(against['diff'])} ± {form(against['ci_high'] - against['diff'])})"
