"""Results for a colleague, by way of a DVC remote, and experiments in DVC's queue; git and dvc are the real ones."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
ROOT = Path(__file__).resolve().parents[1]
PARAMS = {"data": "digits", "scale": "smoke", "seed": 42, "studies": {"scratch": ["optimizers"], "transfer": []}}


def run(here: Path, *words: str, **variables: str) -> str:
    """All output of a command that has to succeed."""
    outside = {"FASHION_MNIST_DIR", "REGIMENS_ROOT", "PYTHONPATH"}
    environment = {key: value for key, value in os.environ.items() if key not in outside} | variables
    environment |= {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "me", f"GIT_{who}_EMAIL": "me@example.org"}
    done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(here: Path, *words: str, **variables: str) -> str:
    return run(here, sys.executable, "-m", "dvc", *words, **variables)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the project whose pipeline, small, has run and is committed."""
    here = tmp_path_factory.mktemp("share") / "project"
    names = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in names:
        if (ROOT / name).is_file() and name != "dvc.lock":
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, here / name)
    (here / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    run(here, "git", "init", "--quiet")
    dvc(here, "repro")
    run(here, "git", "add", ".")
    run(here, "git", "commit", "--quiet", "-m", "Ask how optimisers compare")
    return here


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server on loopback with a bucket in it."""
    import boto3
    from moto import server

    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    process = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    process.start()
    host, port = process.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="bucket")
    yield address
    process.stop()


def clone(project: Path, target: Path) -> Path:
    run(project.parent, "git", "clone", "--quiet", str(project), str(target))
    return target


def files(here: Path) -> dict[str, bytes]:
    """What the pipeline made."""
    found = [path for folder in ("data", "models", "results") for path in (here / folder).rglob("*")]
    return {str(path.relative_to(here)): path.read_bytes() for path in found if path.is_file()}


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_a_colleague_has_the_results_and_nothing_to_do(
    project: Path, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    dvc(project, "remote", "add", "--force", "--default", "shared",
        str(tmp_path / "remote") if kind == "directory" else "s3://bucket/regimens")  # fmt: skip
    if kind == "s3":
        dvc(project, "remote", "modify", "shared", "endpointurl", request.getfixturevalue("bucket"))
    run(project, "git", "commit", "--quiet", "-am", f"Share results in a {kind}")
    assert "pushed" in dvc(project, "push")
    there = clone(project, tmp_path / "colleague")
    assert not (there / "results").exists()
    dvc(there, "pull")
    assert files(there).items() <= files(project).items()  # what else a trial left is nobody's output
    assert {"results/optimizers.json", "models/a-1/final.safetensors"} <= set(files(there))
    assert "Data and pipelines are up to date." in dvc(there, "repro")
    assert not (there / "runs").exists()


def test_queued_experiments_run_and_leave_their_trials_in_the_named_database(project: Path, tmp_path: Path) -> None:
    here = clone(project, tmp_path / "mine")
    database = tmp_path / "mlflow.db"
    for seed in (7, 8):
        dvc(here, "exp", "run", "--queue", "-S", "data=digits", "-S", "scale=smoke", "-S", f"seed={seed}", "studies")
    assert dvc(here, "queue", "status").count("Queued") == 2
    variables = {"REGIMENS_MLFLOW": f"sqlite:///{database}"}
    dvc(here, "queue", "start", **variables)
    end = time.monotonic() + 2400
    while re.search(r"Queued|Running", status := dvc(here, "queue", "status")):
        assert time.monotonic() < end, status
        time.sleep(2)
    assert status.count("Success") == 2, status
    shown = dvc(here, "exp", "show", "--csv")
    assert {"7", "8"} <= set(re.split(r"[,\n]", shown))
    assert database.exists() and not (here / "mlflow.db").exists()
