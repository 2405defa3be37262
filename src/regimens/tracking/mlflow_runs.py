"""What is written into one MLflow run: a trial with its numbers and files, or a trained network as a model."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from regimens.core.result import Result
from regimens.tracking import runs_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATUS = {"completed": "FINISHED", "pruned": "FINISHED", "killed": "KILLED"}
LIMIT = 250  # characters of a parameter
FILES = ("config.yaml", "result.json")


def write_run(
    client: "MlflowClient",
    experiment: str,
    result: Result,
    directory: Path,
    trial: str,
    parent: str | None,
    run_id: str | None,
) -> str:
    """Write a trial as a new run, or as `run_id`, which an earlier attempt had begun; the run's id.

    `trial` is its id, by which it is found again. The run's status is written last: what is not RUNNING is complete.
    """
    from mlflow.entities import Param

    tags = runs_view.tags(result, directory) | {"regimens.trial": trial}
    tags |= {"mlflow.parentRunId": parent} if parent else {}
    if run_id is None:
        run = client.create_run(
            experiment, start_time=runs_view.started(result), tags=tags, run_name=runs_view.run_name(result)
        )
    else:
        run = client.get_run(run_id)
    run_id = str(run.info.run_id)
    parameters = [Param(key, value[:LIMIT]) for key, value in runs_view.params(result).items()]
    client.log_batch(run_id, runs_view.metrics(result), parameters)
    for name in FILES:
        if (directory / name).exists():
            log_copy(client, run, directory / name)
    client.set_terminated(run_id, STATUS.get(result.status, "FAILED"), runs_view.ended(result))
    return run_id


def log_copy(client: "MlflowClient", run: "Run", path: Path) -> None:
    """Log a file as an artifact; into a folder of this machine without the client, which reads the whole run first."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    if str(run.info.artifact_uri).startswith("file:"):
        LocalArtifactRepository(run.info.artifact_uri).log_artifact(str(path))
    else:
        client.log_artifact(run.info.run_id, str(path))


def log_file(client: "MlflowClient", run_id: str, path: Path) -> None:
    """Log a table or a figure as an artifact of the run."""
    if path.suffix != ".svg":
        client.log_artifact(run_id, str(path))
        return
    with tempfile.TemporaryDirectory() as scratch:
        sized = Path(scratch) / path.name
        sized.write_text(with_size(path.read_text()))
        client.log_artifact(run_id, str(sized))


def with_size(svg: str) -> str:
    """A drawing that fills whatever shows it, with a size of its own: MLflow's page gives it no width otherwise."""
    head, end, body = svg.partition("viewBox=")
    box = re.match(r'"[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', body)
    if box is None or " width=" in head.rpartition("<svg")[2]:
        return svg
    width, height = (2 * float(number) for number in box.groups())
    return f'{head}width="{width:g}" height="{height:g}" {end}{body}'


def log_model(client: "MlflowClient", run: "Run", best: Path) -> None:
    """Log the trial in the directory `best` as a model of the run, unless it is its model already."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    from regimens.inference import mlflow_model

    run_id, trial = str(run.info.run_id), f"{best.parent.name}/{best.name}"
    if run.data.tags.get("regimens.model") == trial:
        return
    model = client.create_logged_model(run.info.experiment_id, "model", run_id, tags={"regimens.trial": trial})
    try:
        with tempfile.TemporaryDirectory() as scratch:
            about = Model(model.artifact_location, run_id, model_uuid=model.model_id, model_id=model.model_id)
            mlflow_model.package(best, Path(scratch) / "model", about)
            client.log_model_artifacts(model.model_id, str(Path(scratch) / "model"))
    except BaseException:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.set_tag(run_id, "regimens.model", trial)
