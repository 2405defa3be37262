"""Where results are also shown: what a tracker does, and the one that shows nothing (MLflow's is mlflow.py)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regimens.core.result import Result


class Tracking:
    """Where results are also shown: nowhere, which is the null object `tracking=none`; MLflow's overrides all of it.

    Nothing that fails here may lose a trial.
    """

    #: whether only processes of this machine may write there
    local = False

    @property
    def usable(self) -> bool:
        """Whether there is any sense in trying: False once it is known, and has been told, that there is none."""
        return True

    def open(self, study: Mapping[str, Any], *, live: bool = True) -> str | None:
        """Find or make a study's entry; its id, None while the tracker is away. It says whether the study is `live`."""
        return None

    def mend(self, parent: str | None) -> None:
        """Finish or remove what killed processes had begun to show of a study."""

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Show a trial; its id."""
        return None

    def owes(self, directory: Path) -> bool:
        """Whether the result in `directory` has yet to be shown."""
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

        Returns whether there is nothing left to show; what has been shown before is not shown again.
        """
        return True

    def link(self, entry: str | None) -> str:
        """Where an entry can be looked at, in a line; nothing for None."""
        return ""
