"""Commands that a server's forks do are what they would be on their own, and end with whoever asked."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regimens.core.fork import SOCKET, Fork, run

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux alone has it")

SCRIPT = """
import json, os, sys, time
from regimens.core.fork import run
def main(argv):
    try:
        return told(argv)
    except KeyboardInterrupt:
        return 77
def told(argv):
    print(json.dumps([argv[1:], os.getcwd(), sorted(os.sched_getaffinity(0)), os.environ.get("WORD"), os.getppid(),
                      __name__, os.environ.get("REGIMENS_FORK_SERVER"), sys.path[0], sys.stdin.read(1)]), flush=True)
    print("said", file=sys.stderr)
    if argv[1] == "sleep": time.sleep(60)
    if argv[1] == "raise": raise RuntimeError("ours")
    if argv[1] == "say": sys.exit("a sentence")
    if argv[1] == "miss": raise FileNotFoundError("a file")
    return int(argv[1])
if __name__ == "__main__": sys.exit(run(main, sys.argv))
"""
Command = subprocess.Popen[str]
Server = subprocess.Popen[bytes]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def started(place: Path, *calls: list[str]) -> Server:
    """A server that listens at `place` and makes these calls ahead."""
    command = [sys.executable, "-m", "regimens.core.fork_server", str(place)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place.parent), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    assert process.stdin is not None
    for call in calls:
        process.stdin.write(json.dumps(call).encode() + b"\n")
    process.stdin.flush()
    wait_until(lambda: place.exists() or process.poll() is not None)
    return process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with started(tmp_path / "s") as process:
        yield process
        process.kill()


def command(script: Path, argument: str) -> Command:
    env = {**os.environ, "WORD": "given", SOCKET: str(script.parent / "s")}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, str(script), argument], env=env, cwd=script.parent, text=True, preexec_fn=heeding, **pipes
    )


def heeding() -> None:
    """Heed Ctrl-C, which what runs in the background of a script ignores, these tests among it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begun(script: Path, server: Server) -> tuple[Command, int]:
    """A command that sleeps, and the process that does it."""
    process = command(script, "sleep")
    assert process.stdout is not None
    process.stdout.readline()
    (fork,) = forks(server)
    return process, fork


def forks(server: Server) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()]


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never was")


def gone(pid: int) -> bool:
    try:
        return "zombie" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("status", [0, 3])
def test_a_fork_is_the_command_that_was_asked_for(script: Path, server: Server, status: int) -> None:
    process = command(script, str(status))
    out, err = process.communicate(timeout=30)
    arguments, directory, cores, word, parent, name, place, room, read = json.loads(out)
    assert (arguments, directory, word, read) == ([str(status)], str(script.parent), "given", "")
    assert (name, place, room) == ("__main__", None, str(script.parent))
    assert cores == sorted(os.sched_getaffinity(0))
    assert parent == server.pid
    assert (process.returncode, err) == (status, "said\n")


@pytest.mark.parametrize(
    ("argument", "said"),
    [("raise", "RuntimeError: ours"), ("say", "a sentence"), ("miss", "FileNotFoundError: a file")],
)
def test_what_a_script_ends_with_is_said_and_is_no_success(
    script: Path, server: Server, argument: str, said: str
) -> None:
    process = command(script, argument)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said in err
    assert err.count("Traceback") == (argument != "say")


def test_an_interrupt_is_passed_on(script: Path, server: Server) -> None:
    process, _ = begun(script, server)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 77, err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_ends_with_whoever_asked_for_it(script: Path, server: Server, how: int) -> None:
    process, fork = begun(script, server)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert process.returncode == (143 if how == signal.SIGTERM else -9)
    wait_until(lambda: gone(fork))


def test_how_a_fork_was_killed_is_the_commands_status(script: Path, server: Server) -> None:
    process, fork = begun(script, server)
    os.kill(fork, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == 137


def test_a_request_that_is_cut_off_leaves_nothing(tmp_path: Path, server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        assert client.recv(1)
        socket.send_fds(client, [(100).to_bytes(4, "big")], [0, 1, 2])
        client.sendall(b"{")
        assert forks(server)
    wait_until(lambda: not forks(server))


def test_the_server_ends_with_its_input(server: Server) -> None:
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait(timeout=30) == 0


def test_a_server_that_fails_leaves_the_commands_to_themselves(script: Path, tmp_path: Path) -> None:
    (tmp_path / "slow_to_fail.py").write_text("import time; time.sleep(2); raise ImportError")
    with started(tmp_path / "s", ["slow_to_fail:act"]) as failing:
        process = command(script, "3")  # which waits in its queue
        out, _ = process.communicate(timeout=30)
        assert json.loads(out)[4] == os.getpid()
        assert process.returncode == 3
        assert failing.wait() == 1


def test_an_interrupt_ends_a_command_that_still_waits(script: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        process = command(script, "0")
        client, _ = listener.accept()
        with client:
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")


def test_without_a_server_a_command_goes_on_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(len, ["a", "b"]) == 2  # type: ignore[arg-type]
    monkeypatch.setenv(SOCKET, str(tmp_path / "gone"))
    assert run(len, ["a", "b"]) == 2  # type: ignore[arg-type]


def test_what_is_done_ahead_is_done_once_for_all_forks(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "early.py").write_text("def act(word): print(word, file=open('acted', 'a'))\n")
    monkeypatch.chdir(tmp_path)
    with started(tmp_path / "s", ["early:act", "x"]) as process:
        for _ in range(2):
            with command(script, "0") as asked:
                assert asked.communicate(timeout=30)[1] == "said\n"
        process.kill()
    assert (tmp_path / "acted").read_text() == "x\n"


@pytest.fixture
def fork(tmp_path: Path, server: Server) -> Fork:
    made = Fork.of(tmp_path / "s")
    assert made is not None
    return made


def ask(fork: Fork, *call: object) -> None:
    with Path(os.devnull).open("r+") as nothing:
        fork.ask(call, [nothing.fileno()] * 3, os.environ)


@pytest.mark.parametrize(("asked", "status"), [(0, 0), (3, 3)])
def test_a_fork_ends_with_what_its_function_returns(fork: Fork, asked: int, status: int) -> None:
    ask(fork, "builtins:int", asked)
    assert (fork.wait(), fork.wait()) == (status, status)
    fork.send_signal(signal.SIGKILL)  # nobody is there


def test_signals_reach_a_fork_that_is_stopped_too(fork: Fork, server: Server) -> None:
    ask(fork, "time:sleep", 60)
    (pid,) = forks(server)
    fork.send_signal(signal.SIGSTOP)
    wait_until(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text())
    fork.send_signal(signal.SIGKILL)
    assert fork.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_what_a_terminal_or_a_cluster_sends_to_all_ends_forks_and_no_server(
    fork: Fork, server: Server, number: int
) -> None:
    server.send_signal(number)
    ask(fork, "signal:raise_signal", number)
    assert fork.wait() in (-number, 1)  # an interrupt is an exception
    assert server.poll() is None


def test_a_fork_whose_server_is_gone_counts_as_killed(fork: Fork, server: Server) -> None:
    ask(fork, "time:sleep", 60)
    (pid,) = forks(server)
    server.kill()
    server.wait()
    os.kill(pid, signal.SIGKILL)
    assert fork.wait() == -signal.SIGKILL


def test_a_fork_ends_though_a_child_of_it_lives(fork: Fork, tmp_path: Path) -> None:
    code = "import os, time\ndef act():\n    if os.fork(): return 3\n    time.sleep(20)\n    os._exit(0)\n"
    (tmp_path / "branches.py").write_text(code)
    began = time.monotonic()
    ask(fork, "branches:act")
    assert fork.wait() == 3
    assert time.monotonic() - began < 10


def test_one_that_cannot_be_told_ends_at_once(fork: Fork, server: Server) -> None:
    with contextlib.suppress(OSError):
        fork.ask(["time:sleep", 60], [-1] * 3, os.environ)  # no descriptors
    assert fork.wait() != 0
    wait_until(lambda: not forks(server))


def test_a_server_without_anybody_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with started(tmp_path / "home" / "s") as process:
        process.stdin.close()  # type: ignore[union-attr]
        assert process.wait(timeout=30) == 0
    assert not (tmp_path / "home").exists()


def test_two_forks_draw_other_random_numbers(tmp_path: Path) -> None:
    (tmp_path / "draws.py").write_text(
        "import numpy, random\ndef draw(): print(numpy.random.rand(), random.random(), file=open('drawn', 'a'))\n"
    )
    with started(tmp_path / "s", ["importlib:import_module", "draws"]) as process:
        for _ in range(2):
            made = Fork.of(tmp_path / "s")
            assert made is not None
            with Path(os.devnull).open("r+") as nothing, contextlib.chdir(tmp_path):
                made.ask(["draws:draw"], [nothing.fileno()] * 3, os.environ)
            assert made.wait() == 0
        process.kill()
    first, second = (tmp_path / "drawn").read_text().splitlines()
    assert not set(first.split()) & set(second.split())
