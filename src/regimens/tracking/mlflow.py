"""The MLflow tracker. Files are the truth, MLflow shows them: each run is written as a whole, at the trial's end."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.result import Result
from regimens.core.secrets import brief, redact
from regimens.tracking import runs_view
from regimens.tracking.connection import Connection, is_away
from regimens.tracking.delivery import Outage
from regimens.tracking.interface import Tracking
from regimens.tracking.marks import Delivered, Mark, delivered, marked
from regimens.tracking.mlflow_runs import write_run
from regimens.tracking.mlflow_studies import Studies
from regimens.tracking.sqlite_file import Unusable

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Mlflow(Tracking):
    """A run for each trial: single ones in the experiment `experiment`, a study's in an experiment of its own.

    A study's own run, which holds its answer, is a row of the experiment `<experiment> studies`. A database in a file
    is made with its first use. A server that does not answer costs a warning and then, for a while, nothing: `log`
    skips it, and delivers what is owed when it is called again (delivery.py). What cannot be used costs one warning.
    """

    def __init__(self, uri: str, experiment: str, artifacts: str) -> None:
        self._connection = Connection(uri, experiment, artifacts)
        self.uri = self._connection.uri
        self.local = self._connection.local
        self._studies = Studies(self._connection)
        self._outage = Outage(is_away)
        self._usable = True

    @property
    def usable(self) -> bool:
        """Whether the tracker could be used when last tried."""
        return self._usable

    def open(self, study: Mapping[str, Any], *, live: bool = True) -> str | None:
        """Create what is missing; the run id of the study's parent run, an earlier one of the same study if any.

        A run of a study that is not `live` is not left RUNNING.
        """
        with self._told("tracking"), self._outage.watch():
            return self._studies.open(self._connection.client(), study, live=live)
        return None

    def warm_up(self) -> None:
        """Have MLflow look up the packages that a model takes: most of a second."""
        from regimens.inference.mlflow_model import look_up_packages
        from regimens.tracking.connection import prepare

        if self._usable:
            prepare(self.uri)
            look_up_packages()

    def mend(self, parent: str | None) -> None:
        """Delete what killed processes had begun to write of a study, if nobody else works on it.

        Their trials are written again, as long as they have results.
        """
        if parent is None:
            return
        with self._told("tracking"), self._outage.watch():
            client = self._connection.client()
            query = f"tags.`mlflow.parentRunId` = '{parent}' AND attributes.status = 'RUNNING'"
            for orphan in client.search_runs([self._studies.experiment_of(client, parent)], query):
                client.delete_run(orphan.info.run_id)

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Write the trial as one run, unless `directory` says that it has been; the run's id, or None: not now.

        A study's trial needs its parent run: without one it is delivered later.
        """
        if not self._usable:
            return None
        with self._told(f"{directory}: the result is safe on disk, but tracking"), marked(directory) as mark:
            names = runs_view.identities(result, directory)
            state = mark.read()
            if state.trial and state.trial not in names:
                mark.write(state := Delivered())  # of an earlier trial in the same directory
            if (known := self._connection.run_of(state)) is not None:
                return known
            if self._outage.lasts or (result.study and parent is None):
                return None
            with self._outage.watch():
                return self._deliver(result, directory, parent, mark, state)
        return None

    def owes(self, directory: Path) -> bool:
        """Whether the result in `directory` is not yet logged in this tracker."""
        return self._connection.run_of(delivered(directory)) is None

    def close(
        self,
        parent: str | None,
        status: str,
        files: Sequence[Path] = (),
        best: Path | None = None,
        answer: Mapping[str, Any] | None = None,
    ) -> bool:
        """End the study's run with MLflow's `status` (FINISHED, FAILED, KILLED), `files` as its artifacts.

        The trial in the directory `best` becomes the run's logged model, once.
        """
        if parent is None or self._outage.lasts or not self._usable:
            return False
        with self._told("tracking"), self._outage.watch():
            self._studies.close(self._connection.client(), parent, status, files, best, answer)
            return True
        return False

    def link(self, entry: str | None) -> str:
        """The page of a run: on the server of `uri`, or on the one that `make ui` starts."""
        if entry is None:
            return ""
        page = f"#/runs/{entry}"
        if self.uri.startswith("http"):
            return redact(f"{self.uri.rstrip('/')}/{page}")
        return f"http://127.0.0.1:5000/{page} (start the server with `make ui`)"

    def table(self, server: str) -> str:
        """The address, on a server of these runs, of the page to look at first. Raises Unusable."""
        return f"{server}/{self._studies.first_page(self._connection.client())}"

    def _deliver(self, result: Result, directory: Path, parent: str | None, mark: Mark, state: Delivered) -> str:
        client, tracker = self._connection.client(), self._connection.tracker()
        experiment = self._studies.experiment_of(client, parent)
        trial, *older = runs_view.identities(result, directory)
        # An earlier attempt may have created the run and died, or lost the server's answer.
        begun = self._begun(client, experiment, [trial, *older]) if state.begun else None
        if begun is None or begun[1] == "RUNNING":
            mark.write(Delivered(trial, state.runs, state.seen, begun=True))
            run_id = write_run(client, experiment, result, directory, trial, parent, begun[0] if begun else None)
        else:
            run_id = begun[0]
        runs, seen = {**state.runs, tracker: run_id}, {**state.seen}
        if not self.local:
            seen[self._connection.address] = tracker
        mark.write(Delivered(trial, runs, seen))
        return run_id

    @staticmethod
    def _begun(client: "MlflowClient", experiment: str, trials: Sequence[str]) -> tuple[str, str] | None:
        """(id, status) of the run of one of these trials, if there is one."""
        for trial in trials:
            found = client.search_runs([experiment], f"tags.`regimens.trial` = '{trial}'", max_results=1)
            if found:
                return str(found[0].info.run_id), str(found[0].info.status)
        return None

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn any failure of the tracker into one line on standard error: results never depend on it."""
        try:
            yield
        except Unusable as why:
            if self._usable:
                print(f"warning: no tracking: {why}; results are safe on disk", file=sys.stderr)
            self._usable = False
        except Exception as error:
            print(f"warning: {what} failed: {brief(error)}", file=sys.stderr)
