"""One sentence per question, with its evidence, and never more than the statistics say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.report.numbers import difference, half_width, interval, listing, number, p_value, plural, value
from regimens.report.pace import slowest
from regimens.report.tables import BROKEN, Cell, Study
from regimens.report.verdicts import against, margin, with_verdict
from regimens.stats.response_curve import FAILING
from regimens.stats.verdicts import EQUAL, UNDECIDED, UNDER_TUNED, UNTESTED, WORSE

INTERACTS = 0.05
NOUNS = {
    "optimizer": "optimiser", "scheduler": "schedule", "regularization": "regularisation", "clip": "way of clipping",
    "norm": "normalisation",
}  # fmt: skip


def evidence(cell: Cell, metric: str, digits: int = 1) -> str:
    """`89.3% [89.1, 89.5], n=5`."""
    bounds = interval(cell.interval, metric, digits)
    return f"{value(cell.mean, metric, digits)}{' ' + bounds if bounds else ''}, n={cell.n}"


def subject(study: Study) -> str:
    """`8 optimizers, tuned with 8 to 12 trials each`: what was compared, and how many trials the grids came to."""
    axis = study.axes[0].split(".")[-1] if len(study.axes) == 1 else "combination"
    noun = NOUNS.get(axis, axis.replace("_", " "))
    counts = sorted({sum(trial.phase == "tuning" for trial in cell.trials) for cell in study.cells} - {0})
    counts = counts or [int(number(study.about.get("budget")) or 0)]
    each = plural(counts[-1], "trial") if len(counts) == 1 else f"{counts[0]} to {plural(counts[-1], 'trial')}"
    tuned = f", tuned with {each} each" if study.about.get("tuned") and counts[-1] else ""
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
    leading = [cell for cell in study.ranked if cell.row.get("best")]
    if len(leading) > 1:
        told = listing([f"{cell.label} ({evidence(cell, metric)})" for cell in leading])
        return (
            f"{plural(len(leading), 'set')} of test examples, compared only within each; best: {told}.{caveats(study)}"
        )
    of, others = f"Of {subject(study)}, ", study.ranked[1:]
    losers = with_verdict(study, WORSE, UNDER_TUNED)
    if all((one := against(cell, "vs_best")) is None or one.verdict == UNTESTED for cell in others):
        return f"{of}{best.label} has the best mean, {shown}; too few finals to test any difference.{caveats(study)}"
    said = f"{of}{best.label} {'leads' if len(losers) == len(others) else 'has the best mean'}: {shown}"
    parts = [picked(study), *rivals(study)]
    qualified = f"{interplay(study)}{slowest(study)}{caveats(study)}"
    return said + "".join(f"; {part}" for part in parts if part) + f".{qualified}"


def picked(study: Study) -> str:
    """The best cell's number without the luck of having been picked; empty where the table does not know it."""
    mean = number((study.about.get("winner") or {}).get("mean"))
    return "" if mean is None else f"{value(mean, study.metric)} on what did not pick it"


def rivals(study: Study) -> list[str]:
    """What is said of every other cell: by how much those that lost did, which ones are equal, what is left open."""
    metric, said = study.metric, []
    worse, blamed = with_verdict(study, WORSE), with_verdict(study, UNDER_TUNED)
    if worse and len(worse) == len(study.ranked) - 1:
        said.append(f"better than every other: next is {behind(worse[0], metric)}")
    elif worse:
        said.append(f"better than {listing([cell.label for cell in worse])}")
    below = [cell for cell in blamed if (one := against(cell, "vs_contained")) is not None and one.verdict == WORSE]
    if below:
        said.append(f"{listing([cell.label for cell in below])} under-tuned (below what {_they(below)})")
    if short := [cell for cell in blamed if cell not in below]:
        said.append(f"{listing([cell.label for cell in short])} under-tuned (finals fall short of what tuning found)")
    if equal := with_verdict(study, EQUAL):
        said.append(f"{listing([cell.label for cell in equal])} equal to it within {margin(study)}")
    if unsettled := with_verdict(study, UNDECIDED):
        said.append(f"undecided: {listing([behind(cell, metric) for cell in unsettled])}")
    if untested := with_verdict(study, UNTESTED):
        said.append(f"{listing([cell.label for cell in untested])} could not be tested")
    return said


def all_diverged(study: Study) -> list[Cell]:
    """The cells that have no mean since every final of them diverged."""
    finals = ((cell, [one.status for one in cell.trials if one.phase == "final"]) for cell in study.cells)
    return [cell for cell, found in finals if found and set(found) == {"diverged"}]


def scattered(study: Study) -> list[Cell]:
    """The cells whose finals do not do the same; a wide interval alone does not say that some seeds fail."""
    least = number(study.about.get("margin"))
    return [cell for cell in study.cells if least and apart(cell, study.metric) > FAILING * least]


def apart(cell: Cell, metric: str) -> float:
    """The best of a cell's finals minus its worst."""
    values = [value for one in cell.finals if (value := one.metric(metric)) is not None]
    return max(values) - min(values) if values else 0.0


def _they(cells: list[Cell]) -> str:
    return "it contains" if len(cells) == 1 else "they contain"


def behind(cell: Cell, metric: str) -> str:
    """`nesterov 0.47 ± 1.20 pts behind`: a cell's distance from the best, with its simultaneous interval."""
    one = against(cell, "vs_best")
    if one is None or one.high is None:
        return cell.label
    gap = difference(abs(one.diff), metric)[1:].removesuffix(" pts")
    return f"{cell.label} {gap} ± {half_width(one.high - one.diff, metric)} behind"


def interplay(study: Study) -> str:
    """What two compared axes do together; empty where it was not tested."""
    told = study.about.get("interaction") or {}
    p = number(told.get("p"))
    if p is None:
        return ""
    one, other = (str(axis).split(".")[-1] for axis in told["axes"])
    size = half_width(number(told.get("size")) or 0.0, study.metric)
    if p >= INTERACTS:
        return (
            f" Whether {one} and {other} depend on each other is undecided (interaction p = {p_value(p)}, {size} rms)."
        )
    return f" What {one} does depends on {other} (interaction p {_equals(p)}, {size} rms)."


def _equals(p: float) -> str:
    return p_value(p) if p_value(p).startswith("<") else f"= {p_value(p)}"


def caveats(study: Study) -> str:
    """What qualifies the sentence: techniques that never acted, trials that did not finish."""
    notes = []
    if lost := all_diverged(study):
        notes.append(f"every final of {listing([c.label for c in lost])} diverged")
    if split := scattered(study):
        widest = half_width(max(apart(c, study.metric) for c in split), study.metric, 0)
        notes.append(f"finals of {listing([c.label for c in split])} lie up to {widest} apart")
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
    contained = against(cell, "vs_contained")
    if contained is not None and contained.verdict == WORSE:
        found.append(("under-tuned", f"ends below {contained.other}, which it contains as a limit"))
    if short := cell.row.get("falls_short"):
        tuned, finals = number(short.get("tuning")), number(short.get("finals"))
        did = "diverged" if finals is None else f"came to {_words(finals)} at best"
        found.append(("falls short", f"a quarter of its tuning reached {_words(tuned)}, three of four finals {did}"))
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
