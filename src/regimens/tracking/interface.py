"""The interface of a tracker, and the null object that logs nothing (MLflow's is mlflow.py)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regimens.core.result import Result


class Tracking:
    """A tracker that logs nothing (`tracking=none`); MLflow's overrides every method.

    Nothing that fails here may lose a trial.
    """

    #: whether only processes of this machine may write there
    local = False

    @property
    def usable(self) -> bool:
        """Whether the tracker can be used; False once it turned out, and was reported, that it cannot."""
        return True

    def open(self, study: Mapping[str, Any], *, live: bool = True) -> str | None:
        """Find or make a study's entry, marked as running if `live`; its id, None while the tracker is unreachable."""
        return None

    def warm_up(self) -> None:
        """Do ahead what takes long of a process's first `close`."""

    def mend(self, parent: str | None) -> None:
        """Finish or remove what killed processes had begun to log of a study."""

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Log a trial; its id."""
        return None

    def owes(self, directory: Path) -> bool:
        """Whether the result in `directory` is not yet logged."""
        return False

    def close(
        self,
        parent: str | None,
        status: str,
        files: Sequence[Path] = (),
        best: Path | None = None,
        answer: Mapping[str, Any] | None = None,
    ) -> bool:
        """End a study's entry: its `files`, its `answer` (the table without trials), the trial in `best` as a model.

        Returns whether everything is logged; what was logged before is not logged again.
        """
        return True

    def link(self, entry: str | None) -> str:
        """The address of an entry's page, in one line; empty for None."""
        return ""
