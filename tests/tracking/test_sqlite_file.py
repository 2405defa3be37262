"""MLflow's file, made by processes that are killed or that come at once: it is whole, or it is not there."""

import os
import signal
import time
from pathlib import Path

import mlflow
import pytest

from regimens.tracking.sqlite_file import make


def making(uri: str) -> int:
    """A process that makes the file; its exit status is 0 if it could."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        make(uri)
        status = 0
    finally:
        os._exit(status)


def usable(uri: str) -> bool:
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.create_run(client.create_experiment("regimens"))
    client.log_metric(run.info.run_id, "loss", 1.0)
    return client.get_run(run.info.run_id).data.metrics == {"loss": 1.0}


@pytest.mark.thorough
def test_killed_while_it_is_made_it_can_be_made_again(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/deep/mlflow.db"
    for moment in (0.02, 0.1, 0.2, 0.4, 0.8):
        pid = making(uri)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    make(uri)
    assert usable(uri)


@pytest.mark.thorough
def test_several_processes_may_make_it_at_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert [os.waitpid(pid, 0)[1] for pid in [making(uri) for _ in range(4)]] == [0] * 4
    assert usable(uri)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("uri", ["sqlite:///"])
def test_a_database_in_memory_is_nobodys_file(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(uri)
    assert not list(tmp_path.iterdir())
