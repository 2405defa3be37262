"""`make ui` and `make dashboard`: pages on this machine alone, that show what was trained."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import CONF, SMALL
from tests.webdriver import DRIVER, browser

PAGES = CONF.parent / "tools" / "pages.py"


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PAGES), *arguments], cwd=folder, capture_output=True, text=True)


def test_a_port_in_use_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call(tmp_path, "mlflow", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == f"error: port {port} of 127.0.0.1 is in use; choose another, say PORT={port + 1}\n"


@pytest.mark.parametrize(("what", "message"), [("mlflow", "there are no runs yet"), ("optuna", "no such journal")])
def test_nothing_to_show_is_told_in_a_line(tmp_path: Path, what: str, message: str) -> None:
    done = call(tmp_path, what, "--port", str(free_port()))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def pages(folder: Path, what: str) -> Iterator[tuple[str, psutil.Process]]:
    """The pages' address, as the command itself prints it, and their process."""
    port = free_port()
    command = [sys.executable, str(PAGES), what, "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = ""
        while "http://" not in line:
            line = process.stdout.readline()
            assert line, "the server ended"
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.2)
        yield line.split()[1], psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small study ran."""
    folder = tmp_path_factory.mktemp("studied")
    small = [word for word in SMALL if not word.startswith(("name=", "tracking="))]
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), "-m", *small, "optimizer=adam,nadam"]
    done = subprocess.run([*command, "study.seeds=2", "study.name=two"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.browser
@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver")
@pytest.mark.timeout(600)
def test_mlflow_shows_the_columns_that_matter(studied: Path) -> None:
    with pages(studied, "mlflow") as (address, process), browser() as chromium:
        chromium.visit(address, 1600, "light")
        chromium.wait("return document.body.innerText.includes('two')", 240)
        chromium.wait("return document.body.innerText.includes('test/accuracy')", 60)
        chromium.picture(studied / "ui.png")
        shown = chromium.run("return document.body.innerText")
        assert "time/train_s" in shown
        assert "Only finals are to be quoted" in shown
        everyone = [process, *process.children(recursive=True)]
        assert len(everyone) <= 3
        assert sum(one.memory_info().rss for one in everyone) < 1e9
        assert {c.laddr.ip for one in everyone for c in one.net_connections() if c.status == "LISTEN"} == {"127.0.0.1"}


@pytest.mark.browser
@pytest.mark.skipif(DRIVER is None, reason="needs chromedriver")
@pytest.mark.timeout(600)
def test_the_dashboard_shows_every_cell(studied: Path) -> None:
    with pages(studied, "optuna") as (address, process), browser() as chromium:
        chromium.visit(address, 1600, "light")
        for name in ("optimizer=adam", "optimizer=nadam"):
            chromium.wait(f"return document.body.innerText.includes('{name}')", 120)
        chromium.picture(studied / "dashboard.png")
        assert len([process, *process.children(recursive=True)]) <= 3
