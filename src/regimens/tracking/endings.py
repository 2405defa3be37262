"""How a study ended, as a tracker shows it: written into the study's directory, so that it can be shown later too."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regimens.core.files import write_json
from regimens.core.result import FILE_NAME, finite

ENDING = "ending.json"


@dataclass
class Ending:
    """What a tracker shows of a finished study."""

    #: the study's name, id and question, and the command that ran it
    about: dict[str, Any]
    #: tables and figures
    files: list[Path] = field(default_factory=list)
    #: the trial that becomes the study's model
    best: Path | None = None
    #: the study's table without its trials
    answer: dict[str, Any] = field(default_factory=dict)


def write_ending(directory: Path, ending: Ending) -> None:
    """Write an ending into the study's directory; paths are relative to it, so that it can be moved."""

    def relative(path: Path) -> str:
        return os.path.relpath(path.absolute(), directory.absolute())

    told = {
        "about": ending.about,
        "files": [relative(path) for path in ending.files],
        "best": relative(ending.best) if ending.best else None,
        "answer": ending.answer,
    }
    write_json(finite(told), directory / ENDING)


def read_ending(directory: Path) -> Ending | None:
    """The ending in a study's directory, if there is one; files that are gone are left out."""
    try:
        raw = json.loads((directory / ENDING).read_text())
        files = [Path(os.path.normpath(directory / name)) for name in raw["files"]]
        best = Path(os.path.normpath(directory / raw["best"])) if raw["best"] else None
        ending = Ending(dict(raw["about"]), [path for path in files if path.is_file()], best, dict(raw["answer"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if best and not (best / FILE_NAME).is_file():
        ending.best = None
    return ending


def ended(runs: Path) -> Iterator[Path]:
    """The directory of every study below `runs` that has ended."""
    yield from sorted(path.parent for path in runs.glob(f"*/{ENDING}"))


def compact(table: Mapping[str, Any]) -> dict[str, Any]:
    """A study's table without what is in its trials' own files."""
    return {key: value for key, value in table.items() if key != "trials"}
