"""Events that the cluster jobs of a command report to it: a file for each job beside the study, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class EventLog:
    """A file of events, one line of JSON each; opened for each line, so that other machines see it (NFS)."""

    path: Path

    def write(self, event: dict[str, Any]) -> None:
        """Add an event."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(event) + "\n")


@dataclass
class NewEvents:
    """What the jobs of one command have written since the last look."""

    folder: Path
    _read: dict[Path, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read[path] = self._read.get(path, 0) + len(line)
                    yield json.loads(line)


def events_of(directory: Path, name: str) -> Path:
    """Where the jobs of a command tell what happens."""
    return directory / "workers" / name
