"""Commands around the fake trial, as a person would give them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FAKE = Path(__file__).parent / "fake"
SRC = Path(__file__).parents[2] / "src"  # whatever is installed


@dataclass
class Room:
    """A working directory with a study in it."""

    path: Path
    app: Path = FAKE  # the folder of the script and its configuration

    def start(self, *arguments, prepare=lambda: None, **variables):
        def before():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
            prepare()

        environment = {
            **os.environ,
            "PYTHONPATH": f"{self.app}:{SRC}",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        environment |= variables
        return subprocess.Popen(
            [sys.executable, str(self.app / "app.py"), "-m", *arguments],
            cwd=self.path, env=environment, preexec_fn=before,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments, status=0, **variables):
        process = self.start(*arguments, **variables)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == status, output
        return output

    def cells(self, name="optimizers"):
        return json.dumps(self.table(name)["cells"])

    def table(self, name="optimizers"):
        (path,) = (self.path / "results").glob(f"{name}*.json")
        return json.loads(path.read_text())

    @property
    def trained(self):
        """The directory of every trial that was trained to its end, in the order in which they ended."""
        path = self.path / "runs" / "trained.txt"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def shares(self):
        """(GPUs, process, began, ended) of every trial."""
        lines = (self.path / "runs" / "shares.txt").read_text().splitlines()
        return [(gpus, int(pid), float(a), float(b)) for gpus, pid, a, b in (line.split(" ") for line in lines)]

    @property
    def directory(self):
        (path,) = (path for path in (self.path / "runs").iterdir() if path.is_dir())
        return path


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


@pytest.fixture
def another_room(tmp_path_factory):
    return Room(tmp_path_factory.mktemp("another"))


@pytest.fixture(scope="session")
def peace(tmp_path_factory):
    """A room in which `study=optimizers` was run, once, uninterrupted; to be looked at, not touched."""
    room = Room(tmp_path_factory.mktemp("peace"))
    room.run("study=optimizers")
    assert len(set(room.trained)) == len(room.trained) == 21
    return room


@pytest.fixture(scope="session")
def uninterrupted(peace):
    """The cells of that study."""
    return peace.cells()


@pytest.fixture
def finished(peace, tmp_path):
    """A copy of that room."""
    return Room(Path(shutil.copytree(peace.path, tmp_path / "finished")))
