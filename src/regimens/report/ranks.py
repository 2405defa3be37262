"""Several data sets as one question: the critical-difference diagram, the table of ranks, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.report.canvas import INK, Figure, drawing, svg
from regimens.report.cells import Table
from regimens.report.dots import shorten
from regimens.report.numbers import MISSING, difference, half_width, number, p_value, value
from regimens.report.tables import Study

LEVEL = 0.05


def ranks_of(study: Study) -> Mapping[str, Any] | None:
    """What the table says of its problems together; None where it was asked of one problem."""
    told = study.about.get("ranks")
    return told if isinstance(told, Mapping) and told.get("mean") else None


def ranks_answer(study: Study) -> str | None:
    """The sentence about all problems together; None where there is one problem."""
    told = ranks_of(study)
    if told is None:
        return None
    n, (best, *others) = len(told["values"]), told["mean"]
    said = f"Over {n} values of {told['axis']}, {best} has the best mean rank, {told['mean'][best]:.2g}"
    nemenyi = told["nemenyi"].get(best, {})
    lost = [label for label in others if nemenyi.get(label, 1.0) < LEVEL]
    if told["p"] is None:
        parts = [f"two are compared by their differences: {_gains(study)}"]
    elif told["p"] >= LEVEL:
        parts = [f"the ranks do not differ detectably (Friedman p = {p_value(told['p'])}, n={n})", _gains(study)]
    else:
        p = p_value(told["p"])
        parts = [f"ranks differ (Friedman p {p if p.startswith('<') else f'= {p}'}, n={n})"]
        parts.append(f"behind it: {', '.join(lost)}" if lost else "none is detectably behind it (Nemenyi)")
        parts.append(_gains(study))
    return "; ".join(part for part in [said, *parts] if part) + "."


def _gains(study: Study) -> str:
    told = ranks_of(study) or {}
    shown = []
    for label, one in list(told.get("vs_default", {}).items())[:3]:
        half = None if one["ci_high"] is None else half_width(one["ci_high"] - one["diff"], study.metric)
        shown.append(f"{label} {difference(one['diff'], study.metric)}" + (f" ± {half}" if half else ""))
    return f"against the default: {', '.join(shown)}" if shown else ""


def critical_difference(study: Study) -> Figure | None:
    """Mean ranks on a line, joined where Nemenyi's test finds no difference; None with fewer than three labels."""
    told = ranks_of(study)
    if told is None or not told["nemenyi"]:
        return None
    from pandas import DataFrame
    from scikit_posthocs import critical_difference_diagram

    slug, names = f"{study.name}-ranks", {label: shorten(label, 24) for label in told["mean"]}
    p = DataFrame({names[a]: {names[b]: told["nemenyi"][a].get(b, 1.0) for b in names} for a in names})
    with drawing(0.25 * len(names) + 0.9) as (figure, axes):
        axes.grid(visible=False)
        critical_difference_diagram(
            {names[label]: rank for label, rank in told["mean"].items()},
            p,
            ax=axes,
            color_palette=dict.fromkeys(names.values(), INK),
            crossbar_props={"color": INK, "linewidth": 3},
        )
        drawn = svg(figure, slug)
    n = len(told["values"])
    caption = (
        f"Mean ranks over {n} values of {told['axis']} ({', '.join(told['values'])}), 1 the best. A thick "
        f"bar joins those whose ranks do not differ detectably (Nemenyi, all pairs, 5%; Friedman p = "
        f"{p_value(told['p'])}). A data set is one observation, however many seeds it was trained with: n={n}."
    )
    rows = tuple(told["mean"].items())
    return Figure(slug, "Ranks over data sets", drawn, caption, ("label", "mean rank"), rows)


def ranks_table(study: Study) -> Table | None:
    """One row a label: its mean on each problem, its mean rank, and its mean difference from the default."""
    told = ranks_of(study)
    if told is None:
        return None
    rows, keys = [], []
    for label, rank in told["mean"].items():
        means = [number(one[label]) for one in told["values"].values()]
        gain = told["vs_default"].get(label)
        diff = number(gain["diff"]) if gain else None
        half = f" ± {half_width(gain['ci_high'] - gain['diff'], study.metric)}" if gain and gain["ci_high"] else ""
        shown = MISSING if diff is None else difference(diff, study.metric) + half
        rows.append((label, *(value(mean, study.metric, 2) for mean in means), f"{rank:.2f}", shown))
        keys.append((label, *means, rank, diff))
    columns = (str(told["axis"]), *told["values"], "mean rank", "minus the default, mean")
    caption = "The last column's interval is Student's over data sets."
    return Table(columns, tuple(rows), tuple(keys), caption)
