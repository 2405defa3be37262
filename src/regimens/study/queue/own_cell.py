"""Which cell a worker is in: workers keep to cells of their own, so that what its trials share is compiled once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from regimens.core.locks import Lock
from regimens.study.definition.study import Cell


@dataclass
class OwnCell:
    """The cell whose trials this worker takes first; a preference, which no result depends on."""

    #: where the locks are that tell other workers which cells are somebody's
    locks: Path
    cell: Cell | None = None
    _lock: Lock | None = field(default=None, repr=False)

    def enter(self, cell: Cell) -> bool:
        """Make a cell this worker's; False where it is another one's."""
        self.leave()
        lock = Lock(self.locks / f"{cell.directory}.lock")
        if not lock.acquire(wait=False):
            return False
        self.cell, self._lock = cell, lock
        return True

    def leave(self) -> None:
        """Let other workers enter the cell."""
        if self._lock is not None:
            self._lock.release()
        self.cell, self._lock = None, None
