"""`make ui` and `make dashboard`: pages on this machine alone, that show what was trained."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from regimens.core.result import Result
from regimens.tracking.mlflow import Mlflow
from tests.conftest import CONF, SMALL
from tests.webdriver import DRIVER, Browser, browser

PAGES = CONF.parent / "tools" / "pages.py"


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PAGES), *arguments], cwd=folder, capture_output=True, text=True)


def test_a_port_in_use_is_told_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call(tmp_path, "mlflow", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == f"error: port {port} of 127.0.0.1 is in use; choose another, say PORT={port + 1}\n"


@pytest.mark.parametrize(("what", "message"), [("mlflow", "there are no runs yet"), ("optuna", "no such study")])
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


STUDIES = 10
RUNS = 50  # of a study


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, new_database: Path) -> Path:
    """A folder in which a small study ran, whose database holds as many studies and runs as `make study` leaves."""
    folder = tmp_path_factory.mktemp("studied")
    shutil.copy(new_database, folder)
    small = [word for word in SMALL if not word.startswith(("name=", "tracking="))]
    command = [sys.executable, str(CONF.parent / "src" / "train.py"), "-m", *small, "optimizer=adam,nadam"]
    command += ["optimizer.lr=tag(log,interval(0.001,0.1))", "study.trials=4", "study.seeds=2", "study.name=two"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mlflow = Mlflow(f"sqlite:///{folder}/mlflow.db", "regimens", "mlartifacts")
    (table,) = (json.loads(path.read_text()) for path in (folder / "results").glob("two*.json"))
    results = [Result.from_json(trial) for trial in table["trials"]]
    for n in range(STUDIES - 1):
        about = {"name": f"study_{n}", "id": f"{n:08x}", "question": f"What is the answer to question {n}?"}
        parent = mlflow.open({**about, "command": f"python src/train.py -m study=study_{n}"})
        for number in range(RUNS):
            result = results[number % len(results)]
            place = {**(result.study or {}), **about, "number": number}
            mlflow.log(replace(result, study=place), folder / "others" / f"{n}" / f"{number}", parent)
        answer = {"study": {**table["study"], **about}, "cells": table["cells"]}
        mlflow.close(parent, "FINISHED", (), None, answer)
    return folder


@pytest.fixture(scope="module")
def opened(studied: Path) -> Iterator[tuple[str, psutil.Process, Browser]]:
    """MLflow's first page, its server, and a browser."""
    with pages(studied, "mlflow") as (address, process), browser() as chromium:
        yield address, process, chromium


def in_browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs Chromium."""
    for mark in (pytest.mark.timeout(900), pytest.mark.skipif(DRIVER is None, reason="needs chromedriver")):
        test = mark(test)
    return pytest.mark.browser(test)


def shows(chromium: Browser, *words: str, seconds: float = 240) -> None:
    """Wait until the page shows all these words."""
    for word in words:
        chromium.wait(f"return document.body.innerText.includes({json.dumps(word)})", seconds)


def follow(chromium: Browser, label: str) -> None:
    """Open the link of this label in the same window."""
    find = f"[...document.querySelectorAll('a')].find((a) => a.textContent.trim() === {json.dumps(label)})"
    chromium.wait(f"return Boolean({find})", 120)
    chromium.run(f"location.href = {find}.href")


@in_browser
def test_the_first_page_of_mlflow_is_all_studies_with_their_answers(
    studied: Path, opened: tuple[str, psutil.Process, Browser]
) -> None:
    address, process, chromium = opened
    chromium.visit(address, 1600, "light")
    names = ["two", *(f"study_{n}" for n in range(STUDIES - 1))]
    shows(chromium, *names, "answer", "question", "Model training", "Studies and their answers")
    chromium.wait("return document.querySelectorAll('[col-id=\"tags.`answer`\"]').length > 10", 60)
    chromium.picture(studied / "studies.png")
    answers = chromium.run(
        "return [...document.querySelectorAll('.ag-row [col-id=\"tags.`answer`\"]')].map((e) => e.innerText)"
    )
    assert len(answers) == STUDIES
    assert all(re.fullmatch(r"n?adam: 0\.\d{4} \[-?\d\.\d{4}, \d\.\d{4}\], n=2", answer) for answer in answers)
    # The assistant is the small button at the corner; its panel would take a quarter of the window from the table.
    assert chromium.run("return document.querySelector('.ag-root').getBoundingClientRect().width") > 1300
    everyone = [process, *process.children(recursive=True)]
    assert len(everyone) <= 3
    assert sum(one.memory_info().rss for one in everyone) < 1e9
    assert {c.laddr.ip for one in everyone for c in one.net_connections() if c.status == "LISTEN"} == {"127.0.0.1"}


@in_browser
def test_a_study_leads_to_its_finals_its_cells_and_their_charts(
    studied: Path, opened: tuple[str, psutil.Process, Browser]
) -> None:
    address, _, chromium = opened
    chromium.visit(address, 1600, "light")
    shows(chromium, "study_4")
    follow(chromium, "study_4")
    shows(chromium, "What is the answer to question 4?", "best/mean", "finals, best first")
    chromium.picture(studied / "study.png")
    page = chromium.run("return location.href")
    follow(chromium, "finals, best first")
    shows(chromium, "Finals, best first", "optimizer=adam final", "test/accuracy", "optimizer.lr")
    cells = "[...document.querySelectorAll('.ag-row [col-id=\"metrics.`test/accuracy`\"]')].map((e) => e.innerText)"
    chromium.wait(f"return {cells}.length > 5", 60)
    chromium.picture(studied / "finals.png")
    shown = [float(text.strip("…")) for text in chromium.run(f"return {cells}")]
    assert shown == sorted(shown, reverse=True)
    assert "tuning" not in chromium.run("return document.querySelector('.ag-root').innerText")
    for label, words in (
        ("cells", ["Group: adam", "Group: nadam"]),
        ("charts", ["test/error", "val/accuracy", "val/loss"]),
    ):
        chromium.visit(page, 1600, "light")
        follow(chromium, label)
        shows(chromium, *words)
        chromium.picture(studied / f"{label}.png")


@in_browser
def test_the_dashboard_shows_what_matters_among_all_cells(studied: Path) -> None:
    with pages(studied, "optuna") as (address, process), browser() as chromium:
        chromium.visit(address, 1600, "light")
        shows(chromium, "tuning of all cells", "finals of all cells", "tuning of adam", "tuning of nadam", seconds=120)
        chromium.picture(studied / "dashboard.png")
        link = "[...document.querySelectorAll('a')].find((a) => a.innerText.includes('tuning of all cells'))"
        chromium.run(f"{link}.click()")
        shows(chromium, "Importance")
        chromium.wait(
            "return document.querySelectorAll('#graph-hyperparameter-importances .bars .point').length >= 2", 120
        )
        drawn = chromium.run("return document.body.innerText")
        assert "optimizer.lr" in drawn
        chromium.picture(studied / "importances.png")
        assert len([process, *process.children(recursive=True)]) <= 3
