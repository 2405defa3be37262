"""Which cell a worker is in: workers keep to cells of their own, so that what its trials share is compiled once.

They begin far from each other: neighbours in a grid share a network or an optimiser, and one would wait for what the
other compiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from regimens.core.locks import Lock, is_held
from regimens.study.definition.study import Cell


@dataclass
class OwnCell:
    """The cell whose trials this worker takes first; a preference, which no result depends on."""

    #: where the locks are that tell other workers which cells are somebody's
    locks: Path
    cell: Cell | None = None
    _lock: Lock | None = field(default=None, repr=False)
    _last: str | None = None

    def ahead(self, cells: Sequence[Cell], is_open: Sequence[bool]) -> list[Cell]:
        """A study's open cells in the order in which this worker looks for work: on from the one that it was in.

        At first, and where another worker is next, from the middle of the longest row of them that nobody is in.
        """
        rest = [cell for cell, one in zip(cells, is_open, strict=True) if one]
        labels = [cell.label for cell in cells]
        start = sum(is_open[: labels.index(self._last) + 1]) if self._last in labels else 0
        if rest and (self._last is None or is_held(self._place(rest[start % len(rest)]))):
            start = self._midst(rest)
        return [*rest[start:], *rest[:start]]

    def _midst(self, cells: Sequence[Cell]) -> int:
        entered = [i for i, cell in enumerate(cells) if is_held(self._place(cell))]
        if not entered:
            return 0
        rows = pairwise([*entered, entered[0] + len(cells)])  # past the last cell the first ones follow
        before, after = max(rows, key=lambda row: row[1] - row[0])
        return (before + after + 1) // 2 % len(cells)

    def _place(self, cell: Cell) -> Path:
        return self.locks / f"{cell.directory}.lock"

    def enter(self, cell: Cell) -> bool:
        """Make a cell this worker's; False where it is another one's."""
        self.leave()
        lock = Lock(self._place(cell))
        if not lock.acquire(wait=False):
            return False
        self.cell, self._lock, self._last = cell, lock, cell.label
        return True

    def leave(self) -> None:
        """Let other workers enter the cell."""
        if self._lock is not None:
            self._lock.release()
        self.cell, self._lock = None, None
