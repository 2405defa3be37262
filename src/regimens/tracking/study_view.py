"""What MLflow shows of a study: its answer in a line, as numbers, and as the text above its run and its trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from regimens.tracking.runs_view import cell_name
from regimens.tracking.shared_views import DEFAULT, link

SHOWN = 30  # cells in a table or as metrics
LIMIT = 4500  # characters of a text; MLflow takes 5,000

STUDIES_NOTE = """\
Each row is a study and holds its answer; its page has the table of its cells, the figures, the command that ran \
it, and a link to its trials.
"""
RUNS_NOTE = """\
Single runs of Regimens. Studies are in the experiment `{studies}`, and each study's trials in one of its own. \
Accuracies are fractions, times seconds, steps epochs.
"""


def ranked(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of the cells, best first; in their own order where the study only measures; without a mean, last."""
    direction = answer["study"].get("direction")
    rows = sorted(answer["cells"], key=lambda row: row["mean"] is None)
    if direction not in ("minimize", "maximize"):
        return rows
    sign = 1 if direction == "minimize" else -1
    return sorted(rows, key=lambda row: (row["mean"] is None, sign * (row["mean"] or 0)))


def headline(answer: Mapping[str, Any]) -> str:
    """The answer in a line: the best cell, its mean, its 95% interval and n."""
    rows = [row for row in ranked(answer) if row["mean"] is not None]
    if not rows:
        return "no final completed"
    if answer["study"].get("direction") not in ("minimize", "maximize"):
        return f"measured in {len(rows)} cells, no verdict"
    return f"{_name(rows[0])}: {_number(rows[0])}, n={rows[0]['n']}"


def metrics(answer: Mapping[str, Any]) -> dict[str, float]:
    """The answer as numbers: of the best cell, of each cell, and how many trials there were.

    `undecided` counts the cells that are not known to be worse than the best.
    """
    rows = ranked(answer)
    counts = {
        "cells": len(rows),
        "undecided": sum((row.get("vs_best") or {}).get("verdict", "worse") != "worse" for row in rows),
        "trials": sum(row.get("n_trials") or 0 for row in rows),
        "failed": sum(row.get("n_failed") or 0 for row in rows),
        "diverged": sum(row.get("n_diverged") or 0 for row in rows),
    }
    means = {f"mean/{_key(_name(row))}": row["mean"] for row in rows[:SHOWN]}
    best = rows[0] if rows and answer["study"].get("direction") in ("minimize", "maximize") else {}
    numbers = {f"best/{name}": best.get(name) for name in ("mean", "ci_low", "ci_high", "n")}
    return {key: float(value) for key, value in {**numbers, **counts, **means}.items() if value is not None}


def note(about: Mapping[str, Any], answer: Mapping[str, Any] | None, experiment: str) -> str:
    """The text above the study's run; `experiment` is where its trials are."""
    parts = [f"**{headline(answer)}** ({answer['study'].get('final_metric')})." if answer else "**Not finished yet.**"]
    parts[0] += f" {about['question']}" if about.get("question") else ""
    parts.append(f"Trials: {_links(experiment, answer)}.")
    if answer:
        parts.append(_table(answer))
    if about.get("command"):
        parts.append(f"    {about['command']}")
    return _within_limit(parts)


def trials_note(about: Mapping[str, Any], answer: Mapping[str, Any] | None, parent: str, experiment: str) -> str:
    """The text above the study's trials; `parent` is the study's run."""
    parts = [headline(answer) if answer else "not finished yet"]  # as it is, since MLflow's lists show the source
    if about.get("question"):
        parts.append(str(about["question"]))
    parts += [f"[The study's page](#/runs/{parent}). Views: {_links(experiment, answer)}."]
    parts += ["**Only finals are to be quoted.** Accuracies are fractions, times seconds, steps epochs."]
    return _within_limit(parts)


def _links(experiment: str, answer: Mapping[str, Any] | None) -> str:
    named = [("finals, best first", DEFAULT, False), ("cells", "cells", False), ("charts", "cells", True)]
    if answer and answer["study"].get("tuned"):
        named.append(("tuning", "tuning", True))
    return " · ".join(f"[{name}]({link(experiment, view, charts=charts)})" for name, view, charts in named)


def _table(answer: Mapping[str, Any]) -> str:
    rows = ranked(answer)
    lines = ["| cell | mean [95% interval] | n | best values | against the best |", "| --- | --- | --- | --- | --- |"]
    for row in rows[:SHOWN]:
        verdict = (row.get("vs_best") or {}).get("verdict") or ""
        values = ", ".join(f"{path}={_short(value)}" for path, value in (row.get("best_params") or {}).items())
        lines.append("| " + " | ".join(_cell(x) for x in (_name(row), _number(row), row["n"], values, verdict)) + " |")
    if len(rows) > SHOWN:
        lines.append(f"\nand {len(rows) - SHOWN} more cells, in the artifacts")
    return "\n".join(lines)


def _within_limit(parts: Sequence[str]) -> str:
    text = "\n\n".join(parts)
    return text if len(text) <= LIMIT else text[:LIMIT].rpartition("\n")[0] + "\n\n..."


def _name(row: Mapping[str, Any]) -> str:
    return cell_name(row.get("cell") or {}) or str(row["label"])


def _number(row: Mapping[str, Any]) -> str:
    if row["mean"] is None:
        return "no result"
    if row["ci_low"] is None:
        return f"{row['mean']:.4f}"
    return f"{row['mean']:.4f} [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _key(name: str) -> str:
    """A name with only the characters that MLflow allows in a metric's name."""
    return "".join(c if c.isalnum() or c in "_-. " else " " for c in name).strip()
