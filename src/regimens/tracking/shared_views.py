"""Shared views of MLflow's run table (*Views* on its page): columns, filter, order, groups and charts.

MLflow stores them as tags of the experiment, in the format of its own page (3.17).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from regimens.tracking.runs_view import error_of, log10_of

PREFIX = "mlflow.sharedViewState."
DEFAULT = "regimens"  # the key of the view that `make ui` shows of an experiment where no other one is asked for
TRAINING = "workflowType=machine_learning"  # MLflow's page opens for language models otherwise
FINALS = "tags.`regimens.phase` = 'final'"
TUNING = "tags.`regimens.phase` = 'tuning'"
BY_CELL = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "regimens.cell"}]}
REGIMEN = ("data", "model", "init", "activation", "norm", "regularization", "optimizer", "optimizer.lr", "scheduler")


def link(experiment: str, view: str, *, charts: bool = False) -> str:
    """The address of a view, counted from the server's."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment}/runs?viewStateShareKey={view}&{TRAINING}{mode}"


def studies() -> dict[str, str]:
    """Of the experiment whose rows are studies: what each found."""
    columns = ["tags.`answer`", "tags.`question`"]
    columns += [f"metrics.`{name}`" for name in ("undecided", "cells", "trials", "failed")]
    widths = {"tags.`answer`": 330, "tags.`question`": 390}
    charts = [_bar(name) for name in ("best/mean", "undecided", "trials")]
    view = _view(columns, order=("attributes.start_time", False), charts=charts, widths=widths)
    return _tags([(DEFAULT, "Studies and their answers", view)])


def single_runs() -> dict[str, str]:
    """Of the experiment of single runs: the regimen beside what became of it."""
    columns = ["metrics.`val/accuracy`", "metrics.`val/loss`", "metrics.`test/accuracy`", "metrics.`time/train_s`"]
    columns += [*(f"params.`{name}`" for name in (*REGIMEN, "epochs", "seed")), "tags.`regimens.never_acted`"]
    charts = [_bar("val/error"), _line("val/accuracy"), _line("val/loss"), _bar("time/train_s")]
    return _tags([(DEFAULT, "Runs, newest first", _view(columns, charts=charts))])


def trials(about: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Of a study's own experiment: its finals, its cells, and what was tuned, each with its charts.

    `about` is the study's table's (`study`), once there is one.
    """
    about = about or {}
    final, metric = str(about.get("final_metric", "test/accuracy")), str(about.get("metric", "val/accuracy"))
    up = about.get("direction") == "minimize"
    tuned = [str(path) for path in about.get("tuned", ())]
    numbers = [f"metrics.`{name}`" for name in dict.fromkeys((final, metric, "val/loss", "time/train_s"))]
    columns = [*numbers, *(f"params.`{path}`" for path in (*tuned, "epochs", "seed")), "tags.`regimens.never_acted`"]
    best = (f"metrics.`{final}`", up)
    # Bars begin at 0, where accuracies all look the same.
    charts = [_bar(error_of(final) or final), _line(metric), _line("val/loss"), _bar("time/train_s")]
    views = [
        (DEFAULT, "Finals, best first", _view(columns, only=FINALS, order=best, charts=charts)),
        ("cells", "Cells: means of finals", _view(columns, only=FINALS, order=best, group=BY_CELL, charts=charts)),
    ]
    if tuned:
        view = _view(columns, only=TUNING, order=(f"metrics.`{metric}`", up), charts=_tuning_charts(tuned, metric))
        views.append(("tuning", "Tuning, best first", view))
    return _tags(views)


def _view(
    columns: Sequence[str],
    *,
    only: str = "",
    order: tuple[str, bool] | None = None,
    group: Mapping[str, Any] | None = None,
    charts: Sequence[Mapping[str, Any]] = (),
    widths: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """A state of the run table; `order` is (column, ascending)."""
    state: dict[str, Any] = {"selectedColumns": list(columns), "searchFilter": only, "runsHiddenMode": "SHOW_ALL"}
    if order:
        state |= {"orderByKey": order[0], "orderByAsc": order[1]}
    if group:
        state["groupBy"] = group
    if charts:
        section = {"name": "Charts", "display": True, "isReordered": False, "deleted": False, "isGenerated": False}
        state["compareRunSections"] = [{"uuid": "charts", **section}]
        state |= {"compareRunCharts": list(charts), "isAccordionReordered": True}  # MLflow's own charts come below
    if widths:
        state |= {"columnOrder": list(columns), "columnWidths": dict(widths)}
    return state


def _bar(metric: str) -> dict[str, Any]:
    return _chart("BAR", metric, metricKey=metric)


def _line(metric: str) -> dict[str, Any]:
    return _chart("LINE", metric, metricKey=metric, selectedMetricKeys=[metric], **_LINE)


def _tuning_charts(tuned: Sequence[str], metric: str) -> list[dict[str, Any]]:
    """The metric over each tuned value, by its logarithm, since MLflow's scatter plots have no such axis."""
    y = {"key": metric, "type": "METRIC"}
    scatters = [
        _chart("SCATTER", path, xaxis={"key": log10_of(path), "type": "METRIC"}, yaxis=y, runsCountToCompare=100)
        for path in tuned
    ]
    together = _chart(
        "PARALLEL", "together", selectedParams=[], selectedMetrics=[*map(log10_of, tuned), metric], showAllRuns=True
    )
    return [*scatters, together]


_LINE = {
    "xAxisKey": "step",
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "lineSmoothness": 0,
    "range": {},
    "selectedXAxisMetricKey": "",
    "useGlobalXaxisKey": False,
    "useGlobalLineSmoothing": False,
    "yAxisKey": "metric",
    "yAxisExpressions": [],
}


def _chart(kind: str, title: str, **more: Any) -> dict[str, Any]:
    common = {"type": kind, "uuid": f"{kind}-{title}", "metricSectionId": "charts", "deleted": False}
    return {**common, "isGenerated": False, "runsCountToCompare": 30, **more}


def _tags(views: Sequence[tuple[str, str, Mapping[str, Any]]]) -> dict[str, str]:
    """The experiment's tags of views (key, name, state), which the page lists in this order."""
    return {
        PREFIX + key: json.dumps(
            {"name": name, "createdAt": len(views) - i, "updatedAt": len(views) - i, "state": json.dumps(state)}
        )
        for i, (key, name, state) in enumerate(views)
    }
