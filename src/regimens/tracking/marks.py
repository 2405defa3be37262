"""A directory's `tracking.json`: to which trackers its result was delivered.

A tracker is identified by its database, not by its address: a file that was moved is the same tracker, a file that was
deleted and made again is another one.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from regimens.core.locks import held

MARK = "tracking.json"


@dataclass
class Delivered:
    """The deliveries of one directory."""

    #: the result that was delivered; another one in the same directory is not
    trial: str = ""
    #: tracker -> the run's id there
    runs: dict[str, str] = field(default_factory=dict)
    #: a server's address -> the tracker that last answered there, used while it does not answer
    seen: dict[str, str] = field(default_factory=dict)
    #: of a study: tracker -> digest of the ending that it was given
    endings: dict[str, str] = field(default_factory=dict)
    #: whether a delivery has begun, which may not have finished, to any tracker
    begun: bool = False

    @classmethod
    def from_text(cls, text: str) -> "Delivered":
        """Read from a file's text: empty means no delivery; a damaged or older file means that one has begun."""
        if not text:
            return cls()
        try:
            raw = dict(json.loads(text))
        except (ValueError, TypeError):
            return cls(begun=True)
        known = {key: raw[key] for key in ("trial", "runs", "seen", "endings") if key in raw}
        return cls(**known, begun=True)

    def to_text(self) -> str:
        """One line of JSON; nothing where nothing has begun."""
        told = {key: value for key, value in asdict(self).items() if value and key != "begun"}
        return json.dumps(told) + "\n" if told or self.begun else ""


class Mark:
    """The deliveries of one directory, locked: no other process delivers it meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> Delivered:
        """What has been delivered."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return Delivered.from_text(os.read(self._descriptor, 1 << 20).decode(errors="replace"))

    def write(self, state: Delivered) -> None:
        """Replace it."""
        text = state.to_text().encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))  # last, since an empty mark says that nothing has begun


@contextmanager
def marked(directory: Path) -> Iterator[Mark]:
    """The mark of `directory`, held until the end of the `with` block or of the process."""
    with held(directory / MARK) as descriptor:
        yield Mark(descriptor)


def delivered(directory: Path) -> Delivered:
    """The deliveries of `directory`, read without a lock."""
    try:
        return Delivered.from_text((directory / MARK).read_text(errors="replace"))
    except OSError:
        return Delivered()


def run_ids(directory: Path) -> set[str]:
    """The ids of the directory's runs, in whatever tracker."""
    try:
        raw: Any = json.loads((directory / MARK).read_text())
    except (OSError, ValueError):
        return set()
    if not isinstance(raw, Mapping):
        return set()
    return {*raw.get("runs", {}).values(), *([raw["run_id"]] if "run_id" in raw else [])}
