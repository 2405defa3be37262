"""A trial's result: one `result.json` per directory, from which tables, trackers and reports are made."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.files import write_json

SCHEMA = 1
FILE_NAME = "result.json"
SET_ASIDE = ".replaced-"  # in the name of a directory whose trial another one has replaced
BROKEN = ("failed", "timeout", "oom", "killed")
STATUSES = ("completed", "diverged", "pruned", *BROKEN)


@dataclass
class Result:
    """One regimen trained once with one seed; losses are means over samples, accuracies fractions, times seconds."""

    status: str
    name: str
    seed: int
    regimen: dict[str, Any]
    regimen_hash: str
    choices: dict[str, str] = field(default_factory=dict)
    #: what the trial is: `content` (regimen, seed, data, weights, engine) and `code`; see regimens.trial.identity
    trial: dict[str, str] | None = None
    study: dict[str, Any] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    #: which test examples it got right, where it read the test set: see regimens.core.examples
    correct: dict[str, Any] | None = None
    history: dict[str, list[float | None]] = field(default_factory=dict)
    acted: dict[str, dict[str, Any]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)
    gradient_flow: dict[str, Any] | None = None
    lr_range: dict[str, Any] | None = None
    durations: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    schema: int = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; NaN and infinities become null, which is all that JSON can say of them."""
        return finite(vars(self))

    @property
    def never_acted(self) -> list[str]:
        """The techniques that did nothing in this trial."""
        return [str(entry["technique"]) for entry in self.acted.values() if not entry["acted"]]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Result":
        """Raises ValueError where keys are missing or the schema is another one."""
        schema = raw.get("schema") if isinstance(raw, Mapping) else None
        if schema != SCHEMA:
            raise ValueError(f"schema {schema!r}, expected {SCHEMA}")
        known = {f.name for f in fields(cls)}
        try:
            return cls(**{key: value for key, value in raw.items() if key in known})
        except TypeError as err:
            raise ValueError(str(err)) from err


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one whose keys are dotted paths; what is in lists, and an empty mapping, stays as it is."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        flat |= flatten(item, f"{path}.") if isinstance(item, Mapping) and item else {path: item}
    return flat


def finite(value: Any) -> Any:
    """A copy of nested plain values in which every NaN and infinity is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write(result: Result, directory: Path) -> Path:
    """Write `result.json` atomically: a reader sees the old file or the whole new one, also after a power cut."""
    return write_json(result.to_json(), Path(directory) / FILE_NAME)


def write_together(results: Mapping[Path, Result], journal: Path) -> None:
    """Write several directories' results as one: once `journal` is there, `finish_together` can write what is not."""
    told = {os.path.relpath(directory, journal.parent): result.to_json() for directory, result in results.items()}
    write_json(told, journal)
    finish_together(journal)


def finish_together(journal: Path) -> None:
    """Write the results that a journal holds, if there is one, where they are missing; then it is gone."""
    if not journal.exists():
        return
    for name, result in json.loads(journal.read_text()).items():
        path = Path(os.path.normpath(journal.parent / name)) / FILE_NAME
        if not path.exists():
            write_json(result, path)
    journal.unlink()


def read(path: Path) -> Result:
    """Read a result from its file or directory; raises UserError where it is missing or damaged."""
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    try:
        return Result.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{path}: no such result; run the trial first") from None
    except (ValueError, UnicodeDecodeError) as err:
        raise UserError(f"{path}: not a readable result ({err}); delete it to run the trial again") from err


def aside(directory: Path) -> Path:
    """Where what `directory` holds goes when another trial takes its place: the first free name beside it."""
    number = 1
    while (target := directory.with_name(f"{directory.name}{SET_ASIDE}{number}")).exists():
        number += 1
    return target
