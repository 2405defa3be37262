"""Study tables: `results/<study>.json`, or what was kept of one (`.json.gz`), in, typed rows out.

A file that cannot be read becomes a `Study` whose `problem` says why, so that one bad file never hides the others.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regimens.core import result
from regimens.core.errors import UserError
from regimens.report.numbers import number
from regimens.report.rejudged import rejudged

BROKEN = set(result.BROKEN)


@dataclass(frozen=True)
class Trial:
    """One trained regimen with one seed, as its `result.json` tells it."""

    seed: int
    status: str
    phase: str
    values: Mapping[str, Any]
    raw: Mapping[str, Any]

    def metric(self, name: str) -> float | None:
        """The final value of metric `name`, None where it is absent or not finite."""
        return number((self.raw.get("metrics") or {}).get(name))

    def history(self, name: str) -> list[float | None]:
        """The per-epoch values of `name` (None where not finite); empty where it was not recorded."""
        return [number(value) for value in (self.raw.get("history") or {}).get(name) or []]


@dataclass(frozen=True)
class Cell:
    """One combination of the compared axes, with its row of statistics and its trials."""

    label: str
    values: Mapping[str, Any]
    row: Mapping[str, Any]
    trials: tuple[Trial, ...] = ()

    @property
    def n(self) -> int:
        """How many finals the quoted mean rests on."""
        return int(number(self.row.get("n")) or 0)

    @property
    def mean(self) -> float | None:
        """Mean of the quoted metric over the finals."""
        return number(self.row.get("mean"))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the mean, None where there are too few finals for one."""
        low, high = number(self.row.get("ci_low")), number(self.row.get("ci_high"))
        return None if low is None or high is None or self.n < 2 else (low, high)

    @property
    def finals(self) -> tuple[Trial, ...]:
        """The completed trials that are quoted."""
        return tuple(t for t in self.trials if t.phase == "final" and t.status == "completed")

    def count(self, name: str, statuses: set[str]) -> int:
        """The row's counter `name`, or the number of trials with one of `statuses` where the row has none."""
        told = number(self.row.get(name))
        return int(told) if told is not None else sum(t.status in statuses for t in self.trials)


@dataclass(frozen=True)
class Study:
    """One question with its cells; `problem` is a sentence when the file says nothing usable."""

    name: str
    about: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    trials: tuple[Trial, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def question(self) -> str:
        """The question in the words of its author."""
        named = self.name.replace("_", " ")
        if self.about.get("name") == "adhoc":
            named = f"{' × '.join(self.axes)} (from the command line, {str(self.about.get('id'))[:8]})"
        return str(self.about.get("question") or named)

    @property
    def setting(self) -> Mapping[str, str]:
        """The data set, scale and base seed that the study was run with; empty where its table is too old to say."""
        told = self.about.get("setting")
        return {str(k): str(v) for k, v in told.items()} if isinstance(told, Mapping) else {}

    @property
    def judged(self) -> bool:
        """Whether a cell can be better than another; otherwise its metric is measured, and nothing more."""
        return self.about.get("direction") != "none"

    @property
    def maximize(self) -> bool:
        """Whether larger is better."""
        return not str(self.about.get("direction") or "maximize").startswith("min")

    @property
    def axes(self) -> list[str]:
        """The compared axes, in the order in which the cells name them."""
        return list(dict.fromkeys(axis for cell in self.cells for axis in cell.values))

    @property
    def ranked(self) -> list[Cell]:
        """The cells that have a mean, best first; in their own order where none is better.

        Of cells with equal means the one comes first that the others were held against.
        """
        known, sign = [c for c in self.cells if c.mean is not None], -1 if self.maximize else 1
        if not self.judged:
            return known
        return sorted(known, key=lambda c: (sign * (c.mean or 0.0), not c.row.get("best"), c.label))

    @property
    def metric(self) -> str:
        """The metric that the cells' means quote: of the candidates, the one whose mean over finals is the row's."""
        if quoted := self.about.get("final_metric"):
            return str(quoted)
        told = str(self.about.get("metric") or "val/accuracy")
        candidates = [told.replace("val/", "test/"), told]
        for cell in self.ranked:
            for name in candidates:
                seen = [v for t in cell.finals if (v := t.metric(name)) is not None]
                if seen and math.isclose(sum(seen) / len(seen), cell.mean or 0.0, rel_tol=1e-6, abs_tol=1e-9):
                    return name
        return told


def key(values: Mapping[str, Any]) -> str:
    """A cell's identity as text: equal for equal values, whatever the order of axes."""
    return json.dumps(values, sort_keys=True, default=str)


def label_of(values: Mapping[str, Any]) -> str:
    """A readable name of a cell: its values, with the axis named where the value alone is only a number or a none."""
    words = []
    for axis, value in values.items():
        name, plain = axis.split(".")[-1], isinstance(value, str) and any(c.isalpha() for c in value)
        if value == "none":
            words.append(f"no {name}")
        elif plain:
            words.append(f"{name} {value}" if name in ("clip", "norm") else str(value))
        else:
            words.append(f"{name}={value}")
    return " · ".join(words) or "all"


def _trial(raw: Mapping[str, Any]) -> Trial:
    study = raw.get("study") or {}
    return Trial(
        seed=int(number(raw.get("seed")) or 0),
        status=str(raw.get("status") or "failed"),
        phase=str(study.get("phase") or "final"),
        values=study.get("cell") or {},
        raw=raw,
    )


def _cells(rows: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> tuple[Cell, ...]:
    by_cell: dict[str, list[Trial]] = {}
    for trial in trials:
        by_cell.setdefault(key(trial.values), []).append(trial)
    cells = []
    for row in rows:
        values = row.get("cell") or {}
        own = sorted(by_cell.get(key(values), []), key=lambda t: (t.phase, t.seed))
        label = label_of(values) if values else str(row.get("label") or "all")
        cells.append(Cell(label, values, row, tuple(own)))
    return tuple(cells)


def read_study(path: Path) -> Study:
    """Read one `results/<study>.json`, or one that is packed (`.json.gz`); never raises for its content."""
    name = path.name.partition(".")[0]
    try:
        content = path.read_bytes()
        table = rejudged(json.loads(gzip.decompress(content) if path.suffix == ".gz" else content))
        trials = tuple(_trial(raw) for raw in table.get("trials") or [])
        cells = _cells(table.get("cells") or [], trials)
        about, provenance = table.get("study") or {}, table.get("provenance") or {}
    except (OSError, EOFError, zlib.error, ValueError, AttributeError, TypeError, KeyError) as error:
        return Study(name, problem=f"{path.name} could not be read: {str(error).splitlines()[0]}")
    problem = None if any(c.mean is not None for c in cells) else "no trial of this study completed"
    return Study(name, about, cells, trials, provenance, problem)


def read_studies(results: Path) -> list[Study]:
    """Read every study table under `results/`, by name; raises as `table_files`."""
    return [read_study(path) for path in table_files(results)]


def table_files(results: Path) -> list[Path]:
    """The study tables under `results/`, by name; files that are none are passed over.

    Raises:
        UserError: the directory does not exist.
    """
    if not results.is_dir():
        raise UserError(f"no results at {results}: run a study first (python src/train.py -m study=optimizers)")
    return [path for path in sorted(results.glob("*.json")) if path.stem not in ("manifest", "metrics")]
