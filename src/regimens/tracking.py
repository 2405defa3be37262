"""The only room that knows MLflow. Files are the truth, MLflow is the lens: a run is written whole, at its end."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from regimens.result import Result, finite, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

STATUS = {"completed": "FINISHED", "pruned": "FINISHED", "killed": "KILLED"}
MARK = "tracking.json"
LIMIT = 250


class Tracking(Protocol):
    """Where results are also shown. Nothing that fails here may lose a trial."""

    def open(self, study: Mapping[str, Any] | None = None) -> str | None:
        """Prepare the place, and a study's own entry in it; the entry's id."""

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Show a trial; its id."""

    def close(self, parent: str | None, status: str, files: Mapping[str, Path] | None = None) -> None:
        """End a study's entry."""


class NoTracking:
    """Shows nothing anywhere."""

    def open(self, study: Mapping[str, Any] | None = None) -> str | None:
        """Nothing to prepare."""
        return None

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Nothing to show."""
        return None

    def close(self, parent: str | None, status: str, files: Mapping[str, Path] | None = None) -> None:
        """Nothing to close."""


class Mlflow:
    """One run a trial, children of one run a study, in one experiment.

    `open` creates the database and the experiment: call it in one process before any worker starts, since concurrent
    first use of a SQLite file corrupts it. A server that does not answer costs a warning; `log` again delivers later.
    """

    def __init__(self, uri: str, experiment: str, artifacts: str) -> None:
        self.uri = absolute(uri)
        self.experiment = experiment
        self.artifacts = Path(artifacts).absolute().as_uri() if self.uri.startswith("sqlite:") else None

    def open(self, study: Mapping[str, Any] | None = None) -> str | None:
        """Create what is missing; the run id of the study's parent run, an earlier one of the same study if any."""
        with told("tracking"):
            client = self._client()
            experiment = self._experiment(client)
            if study is None:
                return None
            found = client.search_runs([experiment], f"tags.`regimens.study` = '{study['id']}'", max_results=1)
            if found:
                parent = str(found[0].info.run_id)
                client.update_run(parent, status="RUNNING")
                self._end_orphans(client, experiment, parent)
                return parent
            tags = {"regimens.study": study["id"], "mlflow.note.content": study.get("question") or study["name"]}
            return str(client.create_run(experiment, tags=tags, run_name=study["name"]).info.run_id)
        return None

    def log(self, result: Result, directory: Path, parent: str | None = None) -> str | None:
        """Write the trial as one run, unless `directory` says that it has been; the run's id."""
        mark = directory / MARK
        if mark.exists():
            return str(json.loads(mark.read_text())["run_id"])
        with told(f"{directory}: the result is safe on disk, but tracking"):
            run_id = self._write(result, directory, parent)
            write_json({"run_id": run_id, "experiment": self.experiment}, mark)
            return run_id
        return None

    def close(self, parent: str | None, status: str, files: Mapping[str, Path] | None = None) -> None:
        """End the study's run with MLflow's `status` (FINISHED, FAILED, KILLED) and its files as artifacts."""
        if parent is None:
            return
        with told("tracking"):
            client = self._client()
            for path in (files or {}).values():
                client.log_artifact(parent, str(path))
            client.set_terminated(parent, status)

    def _write(self, result: Result, directory: Path, parent: str | None) -> str:
        from mlflow.entities import Param, RunTag

        client = self._client()
        tags = {"regimens.status": result.status, "regimens.regimen": result.regimen_hash[:12]}
        tags |= {"regimens.never_acted": ", ".join(never_acted(result))} if never_acted(result) else {}
        tags |= {"mlflow.parentRunId": parent} if parent else {}
        run = client.create_run(
            self._experiment(client), start_time=started(result), tags=tags, run_name=run_name(result)
        )
        run_id = str(run.info.run_id)
        parameters = [Param(key, value[:LIMIT]) for key, value in params(result).items()]
        client.log_batch(run_id, metrics(result), parameters, [RunTag("regimens.directory", directory.name)])
        for name in ("config.yaml", "result.json"):
            if (directory / name).exists():
                client.log_artifact(run_id, str(directory / name))
        client.set_terminated(run_id, STATUS.get(result.status, "FAILED"))
        return run_id

    @staticmethod
    def _end_orphans(client: "MlflowClient", experiment: str, parent: str) -> None:
        """End what a killed process had begun to write; its trial has no mark, so it is written again, whole."""
        query = f"tags.`mlflow.parentRunId` = '{parent}' AND attributes.status = 'RUNNING'"
        for orphan in client.search_runs([experiment], query):
            client.set_terminated(orphan.info.run_id, "KILLED")

    def _client(self) -> "MlflowClient":
        # Anonymous usage reports and a run id left over in the environment have no place in a study.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # A server that is away must not hold up a trial for the minutes that MLflow would wait: `log` delivers later.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _experiment(self, client: "MlflowClient") -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        note = "Trials of Regimens: compare runs by optimizer, scheduler, ...; a study's trials are its children."
        try:
            return str(
                client.create_experiment(
                    self.experiment, artifact_location=self.artifacts, tags={"mlflow.note.content": note}
                )
            )
        except MlflowException:
            return str(client.get_experiment_by_name(self.experiment).experiment_id)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn any failure of the tracking server into one line on stderr: results never depend on it."""
    try:
        yield
    except Exception as err:
        message = str(err).splitlines()[0] if str(err) else type(err).__name__
        print(f"warning: {what} failed: {redacted(message)}", file=sys.stderr)


def redacted(text: str) -> str:
    """`text` with the password of every URL in it replaced by ***."""
    import re

    return re.sub(r"(\w+://[^:/@\s]+):[^@\s]+@", r"\1:***@", text)


def absolute(uri: str) -> str:
    """A SQLite URI whose relative path counts from the working directory of now, not of whoever opens it later."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix) or uri == prefix:
        return uri
    return prefix + str(Path(uri.removeprefix(prefix)).absolute())


def never_acted(result: Result) -> list[str]:
    """The techniques of a trial that did nothing."""
    return [str(entry["technique"]) for entry in result.acted.values() if not entry["acted"]]


def run_name(result: Result) -> str:
    """What the run is called in the list: its study's cell, phase and number, or its own name."""
    if not result.study:
        return result.name
    cell = " ".join(f"{axis}={value}" for axis, value in result.study.get("cell", {}).items())
    return f"{cell or result.study['name']} {result.study['phase']} {result.study['number']}"


def started(result: Result) -> int:
    """Milliseconds since the epoch at which the trial began."""
    return int(datetime.fromisoformat(result.provenance["started"]).timestamp() * 1000)


def params(result: Result) -> dict[str, str]:
    """The regimen's options and numbers, flat, groups first; nothing but what was composed."""
    flat = {**result.choices, "seed": str(result.seed)}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                if not key.startswith("_") and key not in ("name", "tune", "trainer"):
                    walk(f"{prefix}.{key}" if prefix else key, value)
        else:
            flat[prefix] = str(node)

    walk("", result.regimen)
    return flat


def metrics(result: Result) -> list[Any]:
    """Every epoch's numbers and the final ones, as one batch of MLflow metrics; what is not finite is left out."""
    from mlflow.entities import Metric

    stamp = started(result)
    epochs = result.history.get("epoch", [])
    rows = [
        Metric(f"epoch/{name}" if name == "time" else name, value, stamp + int(1000 * (elapsed or 0)), int(epoch or 0))
        for name, values in result.history.items()
        if name != "epoch"
        for epoch, value, elapsed in zip(epochs, finite(values), result.history["time"], strict=True)
        if value is not None
    ]
    last = int(epochs[-1] or 0) if epochs else 0
    final = {**result.metrics, **{f"acted/{k}": float(v["acted"]) for k, v in result.acted.items()}}
    seen = {row.key for row in rows}
    rows += [
        Metric(f"final/{name}" if name in seen else name, value, stamp, last)
        for name, value in finite(final).items()
        if value is not None
    ]
    return rows
