"""Commands that a server's forks do: they are what they would be on their own, and end with whoever asked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from regimens.core.warm import IMPORTS, SOCKET, run

SCRIPT = """
import json, os, sys, time
from regimens.core.warm import run
def main(argv):
    print(json.dumps([argv[1:], os.getcwd(), sorted(os.sched_getaffinity(0)), os.environ["WORD"], os.getppid(),
                      __name__, os.environ.get("REGIMENS_WARM"), sys.path[0]]), flush=True)
    print("said", file=sys.stderr)
    if argv[1] == "sleep": time.sleep(60)
    if argv[1] == "raise": raise RuntimeError("ours")
    return int(argv[1])
if __name__ == "__main__": sys.exit(run(main, sys.argv))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that imports little."""
    code = (
        f"from pathlib import Path; from regimens.core.warm import serve; serve(Path({str(tmp_path)!r}, 's'), ['csv'])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        while not (tmp_path / "s").exists():
            time.sleep(0.01)
        yield process
        process.kill()


def command(script: Path, argument: str, **settings: str) -> subprocess.Popen[str]:
    env = {**os.environ, "WORD": "given", SOCKET: str(script.parent / "s"), **settings}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, str(script), argument], env=env, cwd=script.parent, text=True, **pipes)


def test_a_fork_is_the_command_that_was_asked_for(script: Path, server: subprocess.Popen[bytes]) -> None:
    for status in (0, 3):
        process = command(script, str(status))
        out, err = process.communicate(timeout=30)
        arguments, directory, cores, word, parent, name, place, room = json.loads(out)
        assert (arguments, directory, word, name, place) == (
            [str(status)],
            str(script.parent),
            "given",
            "__main__",
            None,
        )
        assert cores == sorted(os.sched_getaffinity(0))
        assert parent == server.pid
        assert room == str(script.parent)
        assert (process.returncode, err) == (status, "said\n")


def test_an_error_of_ours_has_its_traceback_and_its_status(script: Path, server: subprocess.Popen[bytes]) -> None:
    process = command(script, "raise")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" in err and "RuntimeError: ours" in err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_ends_with_whoever_asked_for_it(script: Path, server: subprocess.Popen[bytes], how: int) -> None:
    process = command(script, "sleep")
    assert process.stdout is not None
    process.stdout.readline()
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    (fork,) = children.read_text().split()
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode != 0
    for _ in range(500):
        if fork not in children.read_text().split():
            return
        time.sleep(0.01)
    raise AssertionError("the fork is still there")


def test_a_fork_that_is_killed_is_no_success(script: Path, server: subprocess.Popen[bytes]) -> None:
    process = command(script, "sleep")
    assert process.stdout is not None
    process.stdout.readline()
    (fork,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(fork), signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == 1


def test_the_server_ends_with_its_input(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait(timeout=10) == 0


def test_without_a_server_a_command_goes_on_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(lambda argv: len(argv), ["a", "b"]) == 2
    monkeypatch.setenv(SOCKET, str(tmp_path / "gone"))
    assert run(lambda argv: len(argv), ["a", "b"]) == 2


def test_what_is_imported_ahead_is_there() -> None:
    code = "from importlib.util import find_spec as f; from regimens.core import warm; assert all(map(f, warm.IMPORTS))"
    assert IMPORTS
    subprocess.run([sys.executable, "-c", code], check=True)
