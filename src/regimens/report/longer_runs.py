"""What longer runs left beside the report: a slim table of the published numbers, tables, and whole reports."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.report.tables import Study, read_study, table_files

FOLDER = "parity"
TABLES = "tables"
ANSWERS = "answers.json"
SEPARATE = ("class_counts", "files", "split")


@dataclass(frozen=True)
class Answered:
    """A question's answer by a longer run: the report that has it, and the settings and strength of the evidence."""

    question: str
    answer: str
    path: str
    settings: str
    strength: tuple[int, int]
    network: str

    @property
    def trained(self) -> str:
        """`trained on 55,000 examples, hidden layers of 300 and 100 units`."""
        return ", ".join(filter(None, [f"trained on {self.strength[0]:,} examples", self.network]))


def write_trials(table: Path, out: Path) -> Path:
    """Write what the report needs of a study table, without curves and regimens, to `out`; return the path."""
    raw = json.loads(table.read_text(encoding="utf-8"))
    raw["study"].pop("definition", None)
    raw["trials"] = [_slim(trial) for trial in raw["trials"]]
    path = out / f"{FOLDER}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(raw, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    return path


def _slim(trial: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: trial.get(key) for key in ("status", "name", "seed", "study", "metrics", "durations", "error")}
    source = dict(trial.get("provenance") or {})
    if isinstance(source.get("data"), Mapping):
        source["data"] = {key: value for key, value in source["data"].items() if key not in SEPARATE}
    return {**kept, "provenance": source}


def keep_tables(results: Path, out: Path) -> list[Path]:
    """Keep every study table of `results` in `out`/tables/, packed; return the files written."""
    folder = out / TABLES
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in table_files(results):
        path = folder / f"{table.name}.gz"
        path.write_bytes(gzip.compress(table.read_bytes(), mtime=0))
        written.append(path)
    return written


def kept_studies(out: Path) -> list[Study]:
    """The study tables in `out`/parity/ and `out`/tables/, where there are any."""
    kept = [*(out / FOLDER).glob(f"{FOLDER}.json"), *(out / TABLES).glob("*.json.gz")]
    return [read_study(path) for path in sorted(kept)]


def longer_runs(out: Path) -> list[Answered]:
    """What the reports in folders of `out` answer."""
    found = []
    for path in sorted(out.glob(f"*/{ANSWERS}")):
        told = json.loads(path.read_text(encoding="utf-8"))
        settings = ", ".join(f"{key}={value}" for key, value in told["settings"].items())
        page = path.with_name("report.html").relative_to(out).as_posix()
        for one in told["answers"]:
            strength = one["examples"], one["tested"]
            found.append(Answered(one["question"], one["answer"], page, settings, strength, one.get("network", "")))
    return found
