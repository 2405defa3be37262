"""Sections in, `report.html` and `report.md` out, and the files that DVC reads."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from regimens.report.canvas import Figure, csv_text, standalone
from regimens.report.curves import mean_curve
from regimens.report.dots import MOST
from regimens.report.evidence import images
from regimens.report.longer_runs import ANSWERS, Answered
from regimens.report.numbers import listing
from regimens.report.overview import halves, legend, overview
from regimens.report.provenance import budgets, facts
from regimens.report.sections import Section
from regimens.report.tables import Study
from regimens.report.transfer import effect, is_transfer, pairs


@dataclass(frozen=True)
class Report:
    """Everything that the templates show."""

    title: str
    studies: Sequence[Study]
    sections: Sequence[Section]
    settings: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    not_run: Sequence[tuple[str, str]] = ()
    longer: Sequence[Answered] = ()

    @cached_property
    def overview(self) -> Figure | None:
        """The picture of all questions as one drawing."""
        return overview(self.studies)

    @cached_property
    def halves(self) -> list[Figure]:
        """The same in two parts, which stand side by side on a wide page."""
        return halves(self.studies)

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """(words, mark, colour) of every verdict of the picture."""
        return legend()

    def better(self, one: Section) -> Answered | None:
        """The answer of a longer run, where it rests on more training examples or more finals than a section's."""
        found = [a for a in self.longer if a.question == one.title and a.strength > one.strength]
        return max(found, key=lambda answered: answered.strength, default=None)

    @property
    def only_longer(self) -> list[Answered]:
        """What longer runs answer, and this one does not ask."""
        asked = {one.title for one in self.sections}
        return [one for one in self.longer if one.question not in asked]

    @property
    def setting(self) -> str:
        """What this run was: data set, scale, training images; empty where no study says."""
        each = [s.setting for s in self.studies if s.setting] or [self.settings]
        found = Counter(told for one in each if (told := place(one)))
        if not found:
            return ""
        trained = dict.fromkeys(text for s in self.studies if (text := images(s)))
        most = max(trained, key=lambda text: sum(images(s) == text for s in self.studies), default="")
        return f"{listing([told for told, _ in found.most_common()])}{f': most studies {most}' if most else ''}"


def place(setting: Mapping[str, str]) -> str:
    """`digits at smoke scale`, `digits`; empty where no data set is named."""
    scale = f" at {setting['scale']} scale" if "scale" in setting else ""
    return f"{setting['data']}{scale}" if "data" in setting else ""


def data_uri(figure: Figure) -> str:
    """The figure's numbers as a link that works without any other file."""
    return "data:text/csv;base64," + base64.b64encode(figure.csv.encode()).decode()


def anchor(title: str) -> str:
    """The anchor that code hosts give a Markdown heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def render(report: Report, template: str) -> str:
    """The report through one of the templates (`report.html.j2`, `report.md.j2`)."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template), autoescape=template.endswith("html.j2"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "data_uri": data_uri,
        "anchor": anchor,
        "pipe": lambda text: str(text).replace("|", "\\|").replace("\n", " "),
    }
    return environment.get_template(template).render(
        report=report, style=_template("style.css"), script=_template("table.js"),
        facts=facts(report.studies, report.manifest, report.settings), budgets=budgets(report.studies),
    )  # fmt: skip


def _template(name: str) -> str:
    return files("regimens.report").joinpath("templates", name).read_text(encoding="utf-8")


def write_report(report: Report, out: Path, stem: str = "report") -> list[Path]:
    """Write `<stem>.html`, `<stem>.md` and one SVG and one CSV per figure under `out`; return the paths.

    Raises:
        OSError: `out` cannot be written.
    """
    texts = {f"{stem}.html": render(report, "report.html.j2"), f"{stem}.md": render(report, "report.md.j2")}
    first = [report.overview] if report.overview else []
    for figure in (*first, *(f for s in report.sections for f in s.figures)):
        texts[f"figures/{figure.slug}.svg"] = standalone(figure.svg)
        texts[f"plots/{figure.slug}.csv"] = figure.csv
    return [_write(out / name, text) for name, text in texts.items()]


def write_answers(report: Report, out: Path) -> Path:
    """Write `answers.json`: the settings, and each question with its short answer, for the reports of shorter runs.

    The settings are those that the studies were asked with; params.yaml's where they differ, or do not say.
    """
    answers = [
        {
            "question": one.title,
            "answer": one.headline,
            "examples": one.strength[0],
            "tested": one.strength[1],
            "network": one.network,
        }
        for one in report.sections
    ]
    told = [study.setting for study in report.studies if study.setting]
    settings = told[0] if told and all(one == told[0] for one in told) else report.settings
    return _write(out / ANSWERS, json.dumps({"settings": dict(settings), "answers": answers}, indent=1) + "\n")


def write_exports(studies: Sequence[Study], out: Path) -> list[Path]:
    """Write what `dvc metrics` and `dvc plots` read: `metrics.json`, `plots/finals.csv`, `plots/curves.csv`."""
    finals, curves = [], []
    for study in studies:
        for cell in study.ranked[:MOST]:
            finals += [(study.name, cell.label, t.seed, t.metric(study.metric)) for t in cell.finals]
            name = study.metric.replace("test/", "val/")
            curves += [(study.name, cell.label, f"{study.name}: {cell.label}", *r) for r in mean_curve(cell, name)]
    return [
        _write(out / "metrics.json", json.dumps(metrics(studies), indent=1) + "\n"),
        _write(out / "plots" / "finals.csv", csv_text(("study", "cell", "seed", "value"), finals)),
        _write(
            out / "plots" / "curves.csv",
            csv_text(("study", "cell", "line", "epoch", "mean", "lowest", "highest"), curves),
        ),
    ]


def metrics(studies: Sequence[Study]) -> dict[str, dict[str, float]]:
    """study -> its best and its default cell's mean, or what transfer gains: few enough for `dvc exp show`'s columns.

    The rows of all cells are in `plots/finals.csv` and results/*.cells.csv.
    """
    table: dict[str, dict[str, float]] = {}
    for study in studies:
        if is_transfer(study) and (found := pairs(study)):
            table[study.name] = {"gain": round(effect(found).gain, 6)}
        elif study.ranked and study.judged and study.name != "parity":  # its cells answer to the notes, not each other
            default = [c.mean for c in study.ranked if c.row.get("label") == study.about.get("reference")]
            told = {"best": study.ranked[0].mean, "default": default[0] if default else None}
            table[study.name] = {key: round(value, 6) for key, value in told.items() if value is not None}
    return table


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
