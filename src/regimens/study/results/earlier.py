"""Tables of another study under the same title: set aside rather than overwritten."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from regimens.core.terminal import note
from regimens.study.definition.study import Study

FOLDER = "earlier"
ENDINGS = (".json", ".csv", ".cells.csv", ".svg")


def set_aside(study: Study, results: Path) -> None:
    """Move what `results` holds under this study's title, if that is of another one, and say where it is now."""
    table = results / f"{study.title}.json"
    if not table.exists():
        return
    about = read_about(table)
    if about.get("id") == study.id:
        return
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{study.title}-{about.get('id', 'unreadable')}"
    for ending in ENDINGS:
        if (results / f"{study.title}{ending}").exists():
            (results / f"{study.title}{ending}").replace(folder / f"{name}{ending}")
    asked = about.get("asked")
    again = f"; {shlex.join(['python', 'src/train.py', '-m', *asked])} has it again" if asked else ""
    note(f"{table} was of another study of this name ({about.get('id')}): it is now {folder / name}.json{again}")


def read_about(table: Path) -> dict[str, Any]:
    """What a table says of its study; empty where it cannot be read."""
    try:
        return dict(json.loads(table.read_text())["study"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
