"""The connection to one MLflow tracker: its client, its identity, and its experiments."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from regimens.core.imports import import_packages
from regimens.core.secrets import brief, redact
from regimens.tracking import artifact_paths, sqlite_file
from regimens.tracking.marks import Delivered
from regimens.tracking.sqlite_file import Unusable

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    # No anonymous usage reports.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow would retry an unreachable server for minutes, and a repeated request may be executed twice: results are
    # delivered later instead.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")


class Connection:
    """A tracker at `uri`; a database in a file is made with its first use.

    `name` is the experiment of single runs. `artifacts` is where a database in a file keeps its artifacts, counted from
    its directory.
    """

    def __init__(self, uri: str, name: str, artifacts: str) -> None:
        self.uri = sqlite_file.absolute(uri)
        self.name = name
        self.local = self.uri.startswith("sqlite:")
        self._path = sqlite_file.path_of(self.uri)
        self._artifacts = artifacts
        self._location = sqlite_file.beside(self.uri, artifacts) if self.local else None
        #: the tracker that last answered, and its experiments by name
        self._tracker = ""
        self._experiments: dict[str, str] = {}
        self._client: MlflowClient | None = None

    @property
    def address(self) -> str:
        """The URI without passwords."""
        return str(redact(self.uri))

    def client(self) -> "MlflowClient":
        """MLflow's client. Raises Unusable, and whatever MLflow says of a server that does not answer."""
        if self._path and self._tracker and sqlite_file.birth(self._path, self.name) != self._tracker:
            self._tracker, self._experiments, self._client = "", {}, None  # deleted meanwhile
        if self._tracker and self._client is not None:
            return self._client
        if self._path:
            sqlite_file.check(self._path)
        try:
            self._client = self._meet()
            return self._client
        except Exception as error:
            if self._path or not is_away(error):
                raise Unusable(f"{self.address}: {brief(error)}") from error
            raise

    def tracker(self) -> str:
        """The tracker's identity, which needs a request; raises as `client`."""
        self.client()
        return self._tracker

    def run_of(self, state: Delivered) -> str | None:
        """The run id under which something was delivered to this tracker, as far as known without a request."""
        if not state.runs:
            return None
        if self._path is None:
            return state.runs.get(self._tracker or state.seen.get(self.address, ""))
        tracker = sqlite_file.birth(self._path, self.name)
        run_id = state.runs.get(tracker or "")
        return run_id if run_id and sqlite_file.birth(self._path, self.name, run_id) else None

    def experiment(self, client: "MlflowClient", name: str, tags: Mapping[str, str]) -> str:
        """The id of an experiment, which is created or restored where it is missing; existing tags stay."""
        if name not in self._experiments:
            self._experiments[name] = self._find(client, name, tags)
        return self._experiments[name]

    def _find(self, client: "MlflowClient", name: str, tags: Mapping[str, str]) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(client.create_experiment(name, artifact_location=self._location, tags=dict(tags)))
            except MlflowException:  # another process was faster
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        for key in tags.keys() - found.tags.keys():
            client.set_experiment_tag(found.experiment_id, key, tags[key])
        return str(found.experiment_id)

    def _meet(self) -> "MlflowClient":
        """Create the client and read the tracker's identity: the creation time of its database."""
        prepare(self.uri)
        if self._path:
            sqlite_file.make(self.uri)
        client = _connect(self.uri)
        if self._path:
            sqlite_file.let_go(client)  # MLflow keeps one set of connections for a URI, whichever file was there
        client.search_experiments(max_results=1)
        if self._path is None:
            self._tracker = self._ask(client)
        else:
            if told := artifact_paths.heal(self._path, self._artifacts):
                print(f"warning: tracking: {told}", file=sys.stderr)
            self._tracker = sqlite_file.birth(self._path, self.name) or ""
        return client

    def _ask(self, client: "MlflowClient") -> str:
        from mlflow.exceptions import MlflowException

        try:
            first = client.get_experiment("0")  # made with the tracker
        except MlflowException as error:
            if is_away(error):
                raise
            first = client.get_experiment(self.experiment(client, self.name, {}))
        return str(first.creation_time)


def prepare(uri: str) -> None:
    """Import MLflow, with few retries and without its log messages."""
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    database = uri.startswith(DATABASES)
    import_packages("mlflow", *(["mlflow.store.tracking.sqlalchemy_store"] if database else []))
    if database:
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = 1  # ten take two minutes
    for name in ("mlflow.store.db.utils", "alembic"):  # each table that they create, each error that they raise
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _connect(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def is_away(error: Exception) -> bool:
    """Whether an error says that the server did not answer, rather than that it did not like a request."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code()) >= 500
    return isinstance(error, OSError) or type(error).__name__ in ("OperationalError", "InterfaceError")  # SQLAlchemy's
