"""Commands of the real pipeline, small, in a folder of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE = ROOT / "tests" / "study" / "fake"
SMALL = ("data=digits", "epochs=2", "model.hidden=[16]", "tracking=none")


@dataclass
class Room:
    """A working directory, on what its commands share with the workers, and the environment of its commands."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    #: the real trial, or the one of microseconds
    script: Path = ROOT / "src" / "train.py"

    def start(self, *arguments: str, script: Path | None = None) -> subprocess.Popen:
        environment = {
            **os.environ,
            **self.environment,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{FAKE}:{os.environ.get('PYTHONPATH', '')}",
        }
        return subprocess.Popen(
            [sys.executable, str(script or self.script), *arguments], cwd=self.path, env=environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=_hear_interrupts,
        )  # fmt: skip

    def run(self, *arguments: str, status: int = 0, timeout: float = 600, script: Path | None = None) -> str:
        process = self.start(*arguments, script=script)
        output, _ = process.communicate(timeout=timeout)
        assert process.returncode == status, output
        return output

    @property
    def table(self) -> dict:
        (path,) = (path for path in (self.path / "results").glob("*.json"))
        return json.loads(path.read_text())

    @property
    def cells(self) -> str:
        return json.dumps(self.table["cells"])

    @property
    def trained(self) -> list[str]:
        """The directory of every fake trial that was trained to its end."""
        path = self.path / "runs" / "trained.txt"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def finished(self) -> list[Path]:
        return sorted((self.path / "runs").glob("*/*/*/result.json"))

    def everything_written(self) -> str:
        """The text of every file that a study left, to look for what must not be in it."""
        files = [path for path in self.path.rglob("*") if path.is_file()]
        return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """Real trials."""
    return Room(tmp_path)


@pytest.fixture
def fake(tmp_path: Path) -> Room:
    """Fake trials."""
    return Room(tmp_path, script=FAKE / "app.py")
