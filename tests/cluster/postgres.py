"""A real PostgreSQL on loopback, and an MLflow server on it; both can be killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.cluster.slurm import free_ports

USER, PASSWORD = "regimens", "not-to-be-seen-anywhere"


@dataclass
class Service:
    """A server in a process group of its own."""

    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                self.command, env={**os.environ, **self.environment}, user=self.user, start_new_session=True,
                stdout=out, stderr=subprocess.STDOUT, cwd=self.log.parent,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9 of the server and its children, and wait until they are gone."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Postgres(Service):
    """`url("name")` is a database of its own."""

    port: int = 0

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def wait(self, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise AssertionError(f"no PostgreSQL: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.2)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL that is gone afterwards; it refuses to be run by root."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="regimens-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    initdb = [binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}"]
    subprocess.run([*initdb, "--no-sync"], user=user, check=True, capture_output=True, cwd=folder)
    (port,) = free_ports(1)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    service = Postgres([str(binaries / "postgres"), "-D", str(folder / "data"), *options], folder / "log", user=user)
    service.port = port
    try:
        service.start()
        service.wait()
        yield service
    finally:
        service.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mlflow_server(database: str, artifacts: Path) -> Iterator[tuple[Service, str]]:
    """An MLflow server with one worker, and its URI."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", database, "--artifacts-destination", str(artifacts), "--serve-artifacts"]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    service = Service(command, artifacts.with_suffix(".log"), environment)
    try:
        service.start()
        yield service, f"http://127.0.0.1:{port}"
    finally:
        service.kill()


def wait_for_mlflow(uri: str, seconds: float = 180.0) -> None:
    """Wait until the server answers."""
    import urllib.request

    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
        except OSError:
            assert time.monotonic() < end, "no MLflow server"
            time.sleep(0.5)
