"""The only room that knows MLflow. Files are the truth, MLflow is the lens: a run is written whole, at its end."""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.imports import import_packages
from regimens.core.result import Result
from regimens.core.secrets import brief, redact
from regimens.tracking import runs_view, sqlite_file
from regimens.tracking.delivery import Mark, Outage, delivered, marked
from regimens.tracking.interface import Tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

STATUS = {"completed": "FINISHED", "pruned": "FINISHED", "killed": "KILLED"}
LIMIT = 250


class Mlflow(Tracking):
    """One run a trial, children of one run a study, in one experiment.

    A database in a file is made with its first use. A server that does not answer costs a warning and then, for a
    while, nothing: `log` skips it, and delivers what is owed when it is called again (delivery.py).
    """

    def __init__(self, uri: str, experiment: str, artifacts: str) -> None:
        self.uri = sqlite_file.absolute(uri)
        self.experiment = experiment
        self.local = self.uri.startswith("sqlite:")
        self.artifacts = sqlite_file.beside(self.uri, artifacts) if self.local else None
        self._outage = Outage(is_away)
        self._known: str | None = None

    def open(self, study: Mapping[str, Any], *, live: bool = True) -> str | None:
        """Create what is missing; the run id of the study's parent run, an earlier one of the same study if any.

        A run of a study that is not `live` is not left RUNNING.
        """
        with told("tracking"), self._outage.watch():
            client = self._client()
            experiment = self._experiment(client)
            found = client.search_runs([experiment], f"tags.`regimens.study` = '{study['id']}'", max_results=1)
            tags = {"regimens.study": study["id"], "mlflow.note.content": runs_view.study_note(study)}
            run = found[0] if found else client.create_run(experiment, tags=tags, run_name=study["name"])
            if live:
                client.update_run(run.info.run_id, status="RUNNING")
            elif run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "FINISHED")
            return str(run.info.run_id)
        return None

    def mend(self, parent: str | None) -> None:
        """Delete what killed processes had begun to write of a study, if nobody else works on it.

        Their trials are written again, as long as they have results.
        """
        if parent is None:
            return
        with told("tracking"), self._outage.watch():
            client = self._client()
            query = f"tags.`mlflow.parentRunId` = '{parent}' AND attributes.status = 'RUNNING'"
            for orphan in client.search_runs([self._experiment(client)], query):
                client.delete_run(orphan.info.run_id)

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Write the trial as one run, unless `directory` says that it has been; the run's id, or None: not now.

        The trial of a study waits for its parent: whoever opens the study delivers it.
        """
        with told(f"{directory}: the result is safe on disk, but tracking"), marked(directory) as mark:
            state, trial = mark.read(), identity(result, directory)
            if state.get("trial", trial) != trial:
                mark.write(state := {})  # of an earlier trial in the same directory
            if "run_id" in state:
                return str(state["run_id"])
            if self._outage.lasts or (result.study and parent is None):
                return None
            with self._outage.watch():
                run_id = self._write(result, directory, parent, mark)
            mark.write({"run_id": run_id, "trial": trial})
            return run_id
        return None

    def owes(self, directory: Path) -> bool:
        """Whether the result in `directory` has yet to be shown."""
        return delivered(directory) is None

    def close(self, parent: str | None, status: str, files: Sequence[Path] = (), best: Path | None = None) -> None:
        """End the study's run with MLflow's `status` (FINISHED, FAILED, KILLED), `files` as its artifacts.

        The trial in the directory `best` becomes the run's logged model, once.
        """
        if parent is None or self._outage.lasts:
            return
        with told("tracking"), self._outage.watch():
            client = self._client()
            for path in files:
                client.log_artifact(parent, str(path))
            client.set_terminated(parent, status)
            if best is not None:
                self._log_model(client, parent, best)

    def link(self, entry: str | None) -> str:
        """The page of a run: on the server of `uri`, or on the one that `make ui` starts."""
        if entry is None:
            return ""
        page = f"#/runs/{entry}"
        if self.uri.startswith("http"):
            return redact(f"{self.uri.rstrip('/')}/{page}")
        return f"http://127.0.0.1:5000/{page} (start the server with `make ui`)"

    def table(self, server: str) -> str:
        """The address, on a server of these runs, of the table of all runs with the columns that matter."""
        client = self._client()
        return f"{server}/#/experiments/{self._experiment(client)}/runs?viewStateShareKey={runs_view.VIEW}"

    def _log_model(self, client: "MlflowClient", parent: str, best: Path) -> None:
        """Log the trial in `best` as a model of the run, unless it is its model already."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        from regimens.inference import mlflow_model

        run = client.get_run(parent)
        trial = f"{best.parent.name}/{best.name}"
        if run.data.tags.get("regimens.model") == trial:
            return
        model = client.create_logged_model(run.info.experiment_id, "model", parent, tags={"regimens.trial": trial})
        try:
            with tempfile.TemporaryDirectory() as scratch:
                about = Model(model.artifact_location, parent, model_uuid=model.model_id, model_id=model.model_id)
                mlflow_model.package(best, Path(scratch) / "model", about)
                client.log_model_artifacts(model.model_id, str(Path(scratch) / "model"))
        except BaseException:
            client.finalize_logged_model(model.model_id, "FAILED")
            raise
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(parent, [LoggedModelOutput(model.model_id, 0)])
        client.set_tag(parent, "regimens.model", trial)

    def _write(self, result: Result, directory: Path, parent: str | None, mark: Mark) -> str:
        from mlflow.entities import Param

        client = self._client()
        experiment = self._experiment(client)
        tags = {"regimens.status": result.status, "regimens.regimen": result.regimen_hash[:12]}
        tags |= {
            "regimens.directory": f"{directory.parent.name}/{directory.name}",
            "regimens.trial": identity(result, directory),
        }
        tags |= (
            {"regimens.never_acted": ", ".join(runs_view.never_acted(result))} if runs_view.never_acted(result) else {}
        )
        tags |= {"mlflow.parentRunId": parent} if parent else {}
        # An earlier attempt may have made the run and died, or lost the server's answer.
        run_id = self._begun(client, experiment, tags["regimens.trial"]) if mark.read() else None
        if run_id is None:
            mark.write({"trial": tags["regimens.trial"]})
            run = client.create_run(
                experiment, start_time=runs_view.started(result), tags=tags, run_name=runs_view.run_name(result)
            )
            run_id = str(run.info.run_id)
        parameters = [Param(key, value[:LIMIT]) for key, value in runs_view.params(result).items()]
        client.log_batch(run_id, runs_view.metrics(result), parameters)
        for name in ("config.yaml", "result.json"):
            if (directory / name).exists():
                client.log_artifact(run_id, str(directory / name))
        client.set_terminated(run_id, STATUS.get(result.status, "FAILED"))
        return run_id

    @staticmethod
    def _begun(client: "MlflowClient", experiment: str, trial: str) -> str | None:
        found = client.search_runs([experiment], f"tags.`regimens.trial.task` = '{trial}'", max_results=1)
        return str(found[0].info.run_id) if found else None

    def _client(self) -> "MlflowClient":
        # Anonymous usage reports and a run id left over in the environment have no place in a study.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # A server that is away must not hold up a trial for the minutes that MLflow would wait, and a request that is
        # sent twice may be obeyed twice: `log` delivers later.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        import_packages("mlflow", *(["mlflow.store.tracking.sqlalchemy_store"] if self.local else []))
        from mlflow import MlflowClient

        for name in ("mlflow.store.db.utils", "alembic"):  # announce each table that they create
            logging.getLogger(name).setLevel(logging.WARNING)
        if self.local:
            sqlite_file.make(self.uri)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _experiment(self, client: "MlflowClient") -> str:
        if self._known is None:
            self._known = self._find_experiment(client)
        return self._known

    def _find_experiment(self, client: "MlflowClient") -> str:
        from mlflow.exceptions import MlflowException

        tags = {
            "mlflow.note.content": runs_view.TRIALS_NOTE,
            f"mlflow.sharedViewState.{runs_view.VIEW}": runs_view.view(),
        }
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                made = client.create_experiment(self.experiment, artifact_location=self.artifacts, tags=tags)
                return str(made)
            except MlflowException:  # another process was faster
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        for key in tags.keys() - found.tags.keys():
            client.set_experiment_tag(found.experiment_id, key, tags[key])
        return str(found.experiment_id)


def is_away(error: Exception) -> bool:
    """Whether an error says that the server did not answer, rather than that it did not like a request."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code()) >= 500
    return isinstance(error, OSError)


def identity(result: Result, directory: Path) -> str:
    """A name for a result that no other result has, whoever delivers it and wherever its directory is mounted."""
    named = [
        f"{directory.parent.name}/{directory.name}",
        result.study,
        result.name,
        result.seed,
        result.regimen_hash,
        result.provenance.get("started"),
    ]
    return hashlib.sha256(json.dumps(named, sort_keys=True, default=str).encode()).hexdigest()[:32]


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn any failure of the tracking server into one line on stderr: results never depend on it."""
    try:
        yield
    except Exception as err:
        print(f"warning: {what} failed: {brief(err)}", file=sys.stderr)
