"""One sentence per question, with its evidence, and never more than the statistics say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.report.numbers import difference, interval, is_share, listing, number, plural, value
from regimens.report.power import ALPHA, resolution
from regimens.report.tables import BROKEN, Cell, Study

FEW = 5
HOPELESS = 0.2  # in shares: a study that misses differences of 20 points shows nothing
NOUNS = {
    "optimizer": "optimiser", "scheduler": "schedule", "regularization": "regularisation", "clip": "way of clipping",
    "norm": "normalisation",
}  # fmt: skip


def holm(cell: Cell, against: str) -> float | None:
    """The Holm-corrected p of a cell's comparison (`vs_best`, `vs_default`), None where it was not tested."""
    row = cell.row.get(against) or {}
    return number(row.get("p_holm"))


def leaders(study: Study) -> tuple[list[Cell], list[Cell]]:
    """The best cell with those not detectably different from it, and those that could not be compared with it."""
    ranked = study.ranked
    tied = [c for c in ranked[1:] if (p := holm(c, "vs_best")) is not None and p >= ALPHA]
    untested = [c for c in ranked[1:] if holm(c, "vs_best") is None]
    return [*ranked[:1], *tied], untested


def evidence(cell: Cell, metric: str, digits: int = 1) -> str:
    """`89.3% [89.1, 89.5], n=5`."""
    bounds = interval(cell.interval, metric, digits)
    return f"{value(cell.mean, metric, digits)}{' ' + bounds if bounds else ''}, n={cell.n}"


def subject(study: Study) -> str:
    """`8 optimizers, tuned with 8 trials each`: what was compared, under which budget."""
    axis = study.axes[0].split(".")[-1] if len(study.axes) == 1 else "combination"
    noun = NOUNS.get(axis, axis.replace("_", " "))
    each = number(study.about.get("budget"))
    tuned = f", tuned with {plural(int(each), 'trial')} each" if study.about.get("tuned") and each else ""
    return f"{plural(len(study.cells), noun)}{tuned}"


def answer(study: Study) -> str:
    """The sentence for the first screen."""
    if study.problem:
        return f"No answer: {study.problem}."
    metric, best = study.metric, study.ranked[0]
    shown = f"{evidence(best, metric)} ({metric.replace('/', ' ')})"
    if study.about.get("mode") == "search":
        return f"The best regimen that {plural(len(study.trials), 'trial')} found reaches {shown}.{caveats(study)}"
    if len(study.ranked) == 1:
        return f"Only one cell has results: {best.label}, {shown}; nothing to compare it with.{caveats(study)}"
    tied, untested = leaders(study)
    of = f"Of {subject(study)}, "
    few = f" {seen}" if (seen := unseen(study)) else ""
    if len(untested) == len(study.ranked) - 1:
        said = f"{of}{best.label} has the best mean, {shown}; too few finals to test any difference."
    elif len(tied) == len(study.ranked):
        said = f"{of}no detectable difference from the best mean, {best.label}'s: {shown}.{few}"
    elif len(tied) == 1:
        rest = study.ranked[1]
        row = rest.row.get("vs_best") or {}
        gap = number(row.get("diff"))
        behind = f", {difference(abs(gap), metric)[1:]} behind" if gap is not None else ""
        others = " (of those that could be tested)" if untested else ""
        said = f"{of}{best.label} leads: {shown}; detectably better than every other{others}; next is {rest.label}"
        said += f"{behind}."
    else:
        names = listing([c.label for c in tied[1:]])
        verb = "is" if len(tied) == 2 else "are"
        said = f"{of}{best.label} has the best mean: {shown}; {names} {verb} not detectably different from it.{few}"
    return said + caveats(study)


def unseen(study: Study) -> str:
    """How large a difference would have had to be for these seeds to show it; empty where that cannot be told."""
    best, *others = study.ranked
    close = [c for c in others if (holm(c, "vs_best") or 0.0) >= ALPHA]
    least = resolution(best, close, study.metric, len(others)) if close else None
    if least is not None and is_share(study.metric) and least > HOPELESS:
        return f"At n={best.n}, hardly any difference could show."
    if least is not None:
        return f"Differences below {difference(least, study.metric, 1)[1:]} would mostly go unseen at n={best.n}."
    return "So few seeds detect only large, steady differences." if best.n < FEW else ""


def caveats(study: Study) -> str:
    """What qualifies the sentence: techniques that never acted, trials that did not finish."""
    notes = []
    if idle := [c.label for c in study.cells if c.row.get("never_acted")]:
        notes.append(f"in {listing(idle)} a technique never acted")
    for name, statuses, word in (("n_diverged", {"diverged"}, "diverged"), ("n_failed", BROKEN, "failed")):
        if n := sum(c.count(name, statuses) for c in study.cells):
            notes.append(f"{plural(n, 'trial')} {word}")
    return f" Note: {'; '.join(notes)}." if notes else ""


def flags(cell: Cell) -> list[tuple[str, str]]:
    """(kind, sentence) of everything about a cell that a reader must know before quoting it."""
    found: list[tuple[str, str]] = []
    found += [("never acted", _words(what)) for what in _many(cell.row.get("never_acted"))]
    found += [("edge", f"best value at the edge of its range: {_words(e)}") for e in _many(cell.row.get("edge_flags"))]
    diverged, failed = cell.count("n_diverged", {"diverged"}), cell.count("n_failed", BROKEN)
    if diverged:
        found.append(("diverged", f"{plural(diverged, 'trial')} diverged"))
    if failed:
        found.append(("failed", f"{plural(failed, 'trial')} failed"))
    return found


def _many(told: Any) -> list[Any]:
    if not told:
        return []
    if isinstance(told, Mapping):
        return [f"{k} ({_words(v)})" if v is not True else k for k, v in told.items() if v]
    return list(told) if isinstance(told, list | tuple) else [told]


def _words(told: Any) -> str:
    if isinstance(told, Mapping):
        return ", ".join(f"{k}={_words(v)}" for k, v in told.items())
    return f"{told:.4g}" if isinstance(told, float) else str(told)
