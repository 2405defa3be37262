"""Studies in MLflow: a row each in one experiment, with the answer; their trials in an experiment each."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.files import sha256
from regimens.core.hashing import digest
from regimens.tracking import shared_views, study_view
from regimens.tracking.connection import Connection
from regimens.tracking.mlflow_runs import log_file, log_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KIND = {"mlflow.experimentKind": "custom_model_development"}


class Studies:
    """The studies of one tracker.

    Those of earlier versions stay where they are: a run in the experiment of single runs, with its trials beside it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: study's run -> the experiment of its trials
        self._homes: dict[str, str] = {}

    def open(self, client: "MlflowClient", study: Mapping[str, Any], *, live: bool) -> str:
        """Find or make a study's run and the experiment of its trials; the run's id."""
        found = self._find(client, study["id"])
        index = self._index(client)
        if found is None:
            tags = {"regimens.study": study["id"], "regimens.kind": "study"}
            found = client.create_run(index, tags=tags, run_name=study["name"])
        run_id = str(found.info.run_id)
        if found.info.experiment_id == index:
            self._homes[run_id] = self._trials(client, study)
            self._describe(client, found, study, None)
        else:
            self._homes[run_id] = str(found.info.experiment_id)
        if live:
            client.update_run(run_id, status="RUNNING")
        elif found.info.status == "RUNNING":
            client.set_terminated(run_id, "FINISHED")
        return run_id

    def experiment_of(self, client: "MlflowClient", parent: str | None) -> str:
        """The experiment of a study's trials; of single runs, where there is no parent."""
        if parent is None:
            return self._singles(client)
        if parent not in self._homes:
            run = client.get_run(parent)
            self._homes[parent] = run.data.tags.get("regimens.experiment") or str(run.info.experiment_id)
        return self._homes[parent]

    def close(
        self,
        client: "MlflowClient",
        parent: str,
        status: str,
        files: Sequence[Path],
        best: Path | None,
        answer: Mapping[str, Any] | None,
    ) -> None:
        """End a study's run; what was logged before is not logged again."""
        run = client.get_run(parent)
        shown = digest([answer, str(best), [(path.name, sha256(path)) for path in files]])
        if status == "FINISHED" and run.data.tags.get("regimens.ending") == shown and run.info.status == status:
            return
        for path in files:
            log_file(client, parent, path)
        if answer:
            self._show(client, run, answer)
        client.set_terminated(parent, status)
        if best is not None:
            try:
                log_model(client, run, best)
            except UserError as why:  # about the trial: delivering it once more would end the same way
                print(f"warning: no model is logged: {why}", file=sys.stderr)
        if status == "FINISHED":
            client.set_tag(parent, "regimens.ending", shown)

    def first_page(self, client: "MlflowClient") -> str:
        """The first page: the studies, or the single runs (and older studies) where there are none."""
        index, singles = self._index(client), self._singles(client)
        some = client.search_runs([index], max_results=1)
        return shared_views.link(index if some else singles, shared_views.DEFAULT)

    def _find(self, client: "MlflowClient", study: str) -> "Run | None":
        where = [self._index(client), self._singles(client)]
        found = client.search_runs(where, f"tags.`regimens.study` = '{study}'", max_results=10)
        found.sort(key=lambda run: where.index(run.info.experiment_id))
        return found[0] if found else None

    def _index(self, client: "MlflowClient") -> str:
        tags = {**KIND, "mlflow.note.content": study_view.STUDIES_NOTE, **shared_views.studies()}
        return self._connection.experiment(client, self._index_name, tags)

    def _singles(self, client: "MlflowClient") -> str:
        note = study_view.RUNS_NOTE.format(studies=self._index_name)
        tags = {**KIND, "mlflow.note.content": note, **shared_views.single_runs()}
        return self._connection.experiment(client, self._connection.name, tags)

    @property
    def _index_name(self) -> str:
        return f"{self._connection.name} studies"

    def _trials(self, client: "MlflowClient", study: Mapping[str, Any]) -> str:
        tags = {**KIND, "regimens.study": str(study["id"]), **shared_views.trials()}
        return self._connection.experiment(client, f"{study['name']}-{study['id']}", tags)

    def _describe(
        self, client: "MlflowClient", run: "Run", about: Mapping[str, Any], answer: Mapping[str, Any] | None
    ) -> None:
        """Write what is known of a study above its run and its trials, unless it is there."""
        run_id, tags = str(run.info.run_id), run.data.tags
        experiment = self.experiment_of(client, run_id)
        told = {key: str(about[key]) for key in ("question", "command") if about.get(key)}
        told["regimens.experiment"] = experiment
        if answer:
            told["answer"] = study_view.headline(answer)
        if answer or "answer" not in tags:  # a study that is resumed keeps its answer until it has the next
            told["mlflow.note.content"] = study_view.note(about, answer, experiment)
        for key, value in told.items():
            if tags.get(key) != value:
                client.set_tag(run_id, key, value)
        if experiment != run.info.experiment_id and "mlflow.note.content" in told:
            text = study_view.trials_note(about, answer, run_id, experiment)
            client.set_experiment_tag(experiment, "mlflow.note.content", text)

    def _show(self, client: "MlflowClient", run: "Run", answer: Mapping[str, Any]) -> None:
        """Write a study's answer above its run and its trials, and as numbers."""
        from time import time

        from mlflow.entities import Metric

        run_id, stamp = str(run.info.run_id), int(1000 * time())
        numbers = [Metric(key, value, stamp, 0) for key, value in study_view.metrics(answer).items()]
        client.log_batch(run_id, numbers)
        about = {**answer["study"], "command": run.data.tags.get("command")}
        self._describe(client, run, about, answer)
        experiment = self.experiment_of(client, run_id)
        if experiment != run.info.experiment_id:
            metric = {"mlflow.experiment.primaryMetric.name": str(answer["study"].get("final_metric"))}
            for key, value in {**shared_views.trials(answer["study"]), **metric}.items():
                client.set_experiment_tag(experiment, key, value)
