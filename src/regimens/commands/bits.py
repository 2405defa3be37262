"""Compare two runs of one trial bit for bit: which numbers differ, and what may have caused it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from regimens.core.result import Result, finite

WEIGHTS = ("final.safetensors", "best.safetensors")
SHOWN = 4


def compare(there: Result, here: Result, old: Path, new: Path) -> tuple[bool, list[str]]:
    """Whether `here`, in `new`, has the numbers and weights of `there`, in `old`; and the differences, a line each."""
    before, now = dict(numbers(there)), dict(numbers(here))
    differing = [name for name in (before | now) if before.get(name) != now.get(name)]
    files = [name for name in WEIGHTS if (old / name).is_file() and (new / name).is_file()]
    weights = [name for name in files if (old / name).read_bytes() != (new / name).read_bytes()]
    if not differing and not weights:
        what = f"{len(before)} numbers" + (" and the weights" if files else "; there are no weights to compare")
        return True, [f"equal to the bit: {what}, as in {old}"]
    shown = [f"{name} {_short(before.get(name))} -> {_short(now.get(name))}" for name in differing[:SHOWN]]
    more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    told = f"{len(differing)} of {len(before)} numbers differ" + (f": {', '.join(shown)}{more}" if shown else "")
    moved = moving(there, here)
    why = "; ".join(moved) if moved else "nothing that is recorded of code, versions, hardware and engine"
    return False, [f"NOT equal to {old}: {told}{', and the weights' if weights else ''}", f"what differs: {why}"]


def numbers(result: Result) -> Iterator[tuple[str, Any]]:
    """All numbers of a trial but times, by name: final metrics first, then epoch by epoch."""
    yield "status", result.status
    for name, value in finite(result.metrics).items():
        if not name.startswith("time"):
            yield name, value
    for name, values in finite(result.history).items():
        if not name.startswith("time"):
            yield from ((f"{name} after epoch {epoch}", value) for epoch, value in enumerate(values, 1))
    for field in ("acted", "gradient_flow", "lr_range"):
        if value := getattr(result, field):
            yield field, finite(value)


def moving(there: Result, here: Result) -> list[str]:
    """Differences in two results' provenance that can change bits, as text."""
    before, now = dict(_origin(there)), dict(_origin(here))
    return [f"{key} {before.get(key)} -> {now.get(key)}" for key in (before | now) if before.get(key) != now.get(key)]


def _origin(result: Result) -> Iterator[tuple[str, Any]]:
    origin = result.provenance
    code: Mapping[str, Any] = origin.get("code") or {}
    yield "code", f"{str(code.get('revision'))[:12]}{' with changes' if code.get('dirty') else ''}"
    yield from (origin.get("versions") or {}).items()
    hardware = origin.get("hardware") or {}
    yield "processor", hardware.get("processor")
    yield "GPUs", ", ".join(hardware.get("gpus") or ())
    for key in ("threads", "engine", "fleet", "fleet_steps"):
        yield key, origin.get(key)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 30 else f"{text[:27]}..."
