"""What callers from Python get back: a finished study or trial, tables as pandas frames, pictures in a notebook."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.result import Result
from regimens.core.terminal import predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from regimens.inference.predict import Model
    from regimens.report.canvas import Figure
    from regimens.report.tables import Study


@dataclass(frozen=True)
class Picture:
    """A figure of the report: `svg` is a file of its own, `data` the numbers that it draws."""

    title: str
    caption: str
    svg: str
    data: pd.DataFrame

    @classmethod
    def of(cls, figure: Figure) -> Picture:
        """The picture that a figure of the report is."""
        import pandas as pd

        from regimens.report.canvas import standalone

        data = pd.DataFrame(list(figure.rows), columns=list(figure.columns))
        return cls(figure.title, figure.caption, standalone(figure.svg), data)

    def _repr_html_(self) -> str:
        # As an image: the drawing's style sheet would otherwise hold for every other drawing of the notebook.
        coded = base64.b64encode(self.svg.encode()).decode()
        image = f'<img alt="{escape(self.title)}" style="width:44em" src="data:image/svg+xml;base64,{coded}">'
        return f"<figure>{image}<figcaption>{escape(self.caption)}</figcaption></figure>"


@dataclass(frozen=True)
class StudyOutcome:
    """A finished study: its trials are in `directory`, its table (.json) is `path`, the best final is in `best`."""

    directory: Path
    path: Path
    best: Path | None

    @cached_property
    def raw(self) -> dict[str, Any]:
        """All of the study's table, as plain values."""
        return dict(json.loads(self.path.read_text()))

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each cell, best first: compared axes, metric, its 95% interval (`low`, `high`), n, tuned values.

        `difference` and `verdict` compare with the best cell.
        """
        import pandas as pd

        metric = str(self.raw["study"]["final_metric"])
        rows = list(self.raw["cells"])
        if (direction := self.raw["study"]["direction"]) != "none":
            sign = 1 if direction == "minimize" else -1
            rows.sort(key=lambda row: (row["mean"] is None, sign * (row["mean"] or 0), row["label"]))
        return pd.DataFrame([_row(row, metric) for row in rows])

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row for each trial: its cell, phase, seed, status and metrics, and its whole regimen."""
        import pandas as pd

        return pd.read_csv(self.path.with_suffix(".csv"))

    @property
    def answer(self) -> str:
        """What was found, in a sentence; empty for a study that only measures."""
        return sentence(self._study)

    @cached_property
    def pictures(self) -> list[Picture]:
        """The report's figures of this study, in its order."""
        from regimens.report.palette import Palette
        from regimens.report.sections import section

        return [Picture.of(figure) for figure in section(self._study, Palette([self._study]), {}).figures]

    def picture(self, title: str) -> Picture:
        """The figure whose title begins so; raises UserError, which names all, where there is none."""
        from regimens.core.errors import UserError

        found = [one for one in self.pictures if one.title.startswith(title)]
        if not found:
            raise UserError(f"{title}: the figures are {', '.join(one.title for one in self.pictures)}")
        return found[0]

    @cached_property
    def predictor(self) -> Model:
        """The network of the best final; raises UserError where no final completed."""
        from regimens.core.errors import UserError
        from regimens.inference.predict import load

        if self.best is None:
            raise UserError(f"{self.path}: no final completed, so there is no network to predict with")
        return load(self.best)

    @cached_property
    def _study(self) -> Study:
        from regimens.report.tables import read_study

        return read_study(self.path)

    def _repr_html_(self) -> str:
        first = self.pictures[0]._repr_html_() if self.pictures else ""
        told = f"<h4>{escape(self._study.question)}</h4><p>{escape(self.answer)}</p>"
        return f"{told}{first}{self.table.to_html(index=False, float_format='{:.4g}'.format, na_rep='')}"


@dataclass(frozen=True)
class TrialOutcome:
    """A finished trial: `directory` holds its weights and configuration, `result` is its `result.json`."""

    directory: Path
    result: Result

    @property
    def metrics(self) -> dict[str, float | None]:
        """Losses and accuracies at the end, by name (`val/accuracy`)."""
        return self.result.metrics

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch, counted from 1: losses, accuracies and learning rate."""
        import pandas as pd

        return pd.DataFrame(self.result.history).set_index("epoch")

    @cached_property
    def predictor(self) -> Model:
        """The trained network."""
        from regimens.inference.predict import load

        return load(self.directory)

    def predict(self, x: np.ndarray | pd.DataFrame) -> np.ndarray:
        """(N,) the likeliest class of each example, by name: of raw inputs (N, ...), or of the rows of a table."""
        return self.predictor.predict(x)

    def _repr_html_(self) -> str:
        import pandas as pd

        numbers = predictions(self.metrics)
        table = pd.DataFrame([numbers]).to_html(index=False, float_format="{:.4f}".format)
        return f"<h4>{escape(self.result.name)}: {escape(self.result.status)}</h4>{table}"


def answer_of(table: Path) -> str:
    """What the study of a table found, in a sentence."""
    from regimens.report.tables import read_study

    return sentence(read_study(table))


def sentence(study: Study) -> str:
    """What a study found, in a sentence; empty where it only measures, or has no results."""
    from regimens.report.sections import said

    return said(study) if study.judged and not study.problem else ""


def _row(row: Mapping[str, Any], metric: str) -> dict[str, Any]:
    against = row.get("vs_best") or {}
    interval = {metric: row["mean"], "low": row["ci_low"], "high": row["ci_high"], "n": row["n"]}
    verdict = {"difference": against.get("diff"), "verdict": against.get("verdict") or ""}
    return {**(row["cell"] or {"cell": row["label"]}), **interval, **row["best_params"], **verdict}
