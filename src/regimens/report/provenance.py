"""Where the numbers come from: data, code, versions, hardware, budgets, time, and what was not run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from regimens.report.numbers import number, plural, seconds
from regimens.report.tables import Study, Trial

MANY = 4  # cuts of a data set that are listed one by one


def facts(studies: Sequence[Study], manifest: Mapping[str, Any], settings: Mapping[str, str]) -> list[tuple[str, str]]:
    """(what, value) lines for the provenance section, the same text from the same files."""
    trials = [t for s in studies for t in s.trials]
    sources = [t.raw.get("provenance") or {} for t in trials] + [dict(s.provenance) for s in studies]
    each = [s.setting for s in studies if s.setting] or [settings]
    lines = [("settings", told) for told in _distinct(", ".join(f"{k}={v}" for k, v in one.items()) for one in each)]
    lines += [("data", text) for text in _data(sources, manifest)]
    lines += [("code revision", text) for text in _distinct(_revision(p.get("code")) for p in sources)]
    lines += [("versions", text) for text in _distinct(_pairs(p.get("versions")) for p in sources)]
    lines += [("hardware", text) for text in _distinct(_pairs(p.get("hardware")) for p in sources)]
    lines += [("engine", text) for text in _distinct(_engine(p) for p in sources)]
    return [*lines, *_effort(trials)]


def _data(sources: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any]) -> list[str]:
    groups: dict[str, dict[str, str]] = {}
    for data in (p.get("data") for p in sources):
        if text := _dataset(data):
            kind = str((data.get("task") or {}).get("kind", "all")) if isinstance(data, Mapping) else "all"
            groups.setdefault(kind, {})[text] = str(data.get("hash")) if isinstance(data, Mapping) else text
    lines = []
    for kind, found in sorted(groups.items()):
        if len(found) > MANY:
            digest = hashlib.sha256("".join(sorted(found.values())).encode()).hexdigest()
            lines.append(f"{len(found)} cuts for task {kind}, SHA-256 of their hashes {digest}")
        else:
            lines += sorted(found)
    return lines or _distinct([_dataset(manifest)])


def _dataset(data: Any) -> str:
    if not isinstance(data, Mapping):
        return str(data or "")
    name = data.get("dataset") or data.get("name")
    digest = data.get("hash") or data.get("sha256")
    kind = (data.get("task") or {}).get("kind") if isinstance(data.get("task"), Mapping) else data.get("task")
    task = f", task {kind}" if kind and kind != "all" else ""
    sizes = data.get("sizes")
    told = f", {_pairs(sizes)}" if isinstance(sizes, Mapping) else ""
    return f"{name}{task}{told}, hash {digest}" if name or digest else ""


def _engine(source: Mapping[str, Any]) -> str:
    threads = plural(int(number(source.get("threads")) or 1), "thread")
    return f"{source['engine']}, {threads} a trial" if source.get("engine") else ""


def _revision(code: Any) -> str:
    if not isinstance(code, Mapping) or not code.get("revision"):
        return ""
    return f"{code['revision']}{' with uncommitted changes' if code.get('dirty') else ''}"


def _pairs(told: Any) -> str:
    if not isinstance(told, Mapping):
        return str(told or "")
    return ", ".join(f"{k} {_flat(v)}" for k, v in sorted(told.items()) if v not in (None, [], {}))


def _flat(told: Any) -> str:
    return told if isinstance(told, str) else json.dumps(told, sort_keys=True).replace('"', "")


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})


def _effort(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    statuses = Counter(t.status for t in trials)
    spent = sum(number(v) or 0.0 for t in trials for v in (t.raw.get("durations") or {}).values())
    told = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
    return [("trials", f"{len(trials)}: {told}" if trials else "none"), ("time in trials, summed", seconds(spent))]


def budgets(studies: Sequence[Study]) -> list[tuple[str, str]]:
    """(study, what it spent) for every study."""
    rows = []
    for s in studies:
        finals = sum(t.phase == "final" for t in s.trials)
        spent = sum(number(v) or 0.0 for t in s.trials for v in (t.raw.get("durations") or {}).values())
        counts = (len(s.cells), "cell"), (len(s.trials) - finals, "tuning trial"), (finals, "final")
        text = ", ".join(plural(n, noun) for n, noun in counts)
        identity = f", id {s.about['id']}" if s.about.get("id") else ""
        lasted = f"{seconds(spent)} in trials, {seconds(wall(s.trials))} by the clock"
        rows.append((s.name, s.problem or f"{text}, {lasted}{identity}"))
    return rows


def wall(trials: Sequence[Trial]) -> float | None:
    """Seconds from the first trial's start to the last one's end; a study that was cut off counts its pause."""
    begun, ended = [], []
    for trial in trials:
        told = (trial.raw.get("provenance") or {}).get("started")
        if isinstance(told, str):
            start = datetime.fromisoformat(told).timestamp()
            begun.append(start)
            ended.append(start + sum(number(v) or 0.0 for v in (trial.raw.get("durations") or {}).values()))
    return max(ended) - min(begun) if begun else None
