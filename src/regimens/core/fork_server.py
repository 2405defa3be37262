"""A fork server for commands: one process imports what they take, and a fork of it does what each was asked.

A pipeline is a dozen commands, each of which takes more than ten seconds of a core to import torch, Lightning and
MLflow. Where `REGIMENS_FORK_SERVER` names the server's socket, a command passes on what it was asked (arguments,
environment, directory, cores, standard streams) and its signals, and ends as the fork ends. Linux only.
"""

import contextlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from regimens.core.imports import import_packages

SOCKET = "REGIMENS_FORK_SERVER"
# What a study imports, most of it late; torch's compiler, which some do, among it.
IMPORTS = (
    *("numpy", "pandas", "scipy.stats", "hydra", "optuna", "torch", "torch._inductor.compile_fx", "pytorch_lightning"),
    *("torchmetrics", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "rich.progress", "regimens.trial.single"),
)
# What every study would do for itself at its end.
AHEAD = ("regimens.inference.mlflow_model:look_up_packages",)
INTERRUPTED = 130
READY = b"+"
STREAMS = 3


def run(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit status of the script `argv[0]`: of the server's fork, or of `main(argv)` where there is no server."""
    fork = _connected(os.environ.get(SOCKET))
    if fork is None:
        return main(argv)
    with fork:
        return _passed_on(fork, argv)


def _connected(place: str | None) -> socket.socket | None:
    """A connection to a new fork; None where none is to be had, and the command goes on by itself."""
    if not place:
        return None
    fork = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(OSError):  # the server is gone, or has failed
            fork.connect(place)
            if fork.recv(1) == READY:
                return fork
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    fork.close()
    return None


def _passed_on(fork: socket.socket, argv: Sequence[str]) -> int:
    """Have `fork` do it, pass signals on, and wait until it is gone."""

    def forward(number: int, _: Any) -> None:
        fork.sendall(bytes([number]))

    env = {key: value for key, value in os.environ.items() if key != SOCKET}
    heeds = signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    passed_on = (signal.SIGINT, signal.SIGTERM) if heeds else (signal.SIGTERM,)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # none may come into the midst of the request
    cores = sorted(os.sched_getaffinity(0))
    asked = {"argv": list(argv), "env": env, "directory": str(Path.cwd()), "cores": cores, "heeds": heeds}
    request = json.dumps(asked).encode()
    socket.send_fds(fork, [len(request).to_bytes(4, "big")], list(range(STREAMS)))
    fork.sendall(request)
    for number in passed_on:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    status = b""
    while part := fork.recv(16):
        status += part
    if not status:
        print("error: the fork server ended before this command did", file=sys.stderr)
        return 1
    return int(status) if int(status) >= 0 else 128 - int(status)  # as a shell does with a signal


def serve(place: Path, imports: Sequence[str] = IMPORTS, ahead: Sequence[str] = ()) -> None:
    """Listen at `place`, import, call what is to be done `ahead`, and fork for whoever asks, until standard input ends.

    Who asks meanwhile waits.
    Raises OSError where nobody can listen there (its path is too long, say), and what an import or a call raises.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        begun_at = place.with_suffix(".new")
        listener.bind(str(begun_at))
        listener.listen(64)
        begun_at.rename(place)  # from here on nobody is refused
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        begun = dict(os.environ)
        import_packages(*imports)
        for name in ahead:
            pkgutil.resolve_name(name)()
        kept = {key: value for key, value in os.environ.items() if begun.get(key) != value}
        forks: dict[int, tuple[int, socket.socket]] = {}
        while True:
            ready, _, _ = select.select([listener, sys.stdin, *forks], [], [])
            for handle in forks.keys() & set(ready):
                _report(handle, *forks.pop(handle))
            if sys.stdin in ready:
                return
            if listener in ready:
                client, _ = listener.accept()
                if (pid := os.fork()) == 0:
                    for held in (listener, *(other for _, other in forks.values())):
                        held.close()
                    _be_asked(client, kept)
                forks[os.pidfd_open(pid)] = pid, client


def _report(handle: int, pid: int, client: socket.socket) -> None:
    """Tell `client` how its fork, which has ended, did so."""
    _, status = os.waitpid(pid, 0)
    os.close(handle)
    with client, contextlib.suppress(OSError):  # it may be gone itself
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _be_asked(client: socket.socket, kept: Mapping[str, str]) -> NoReturn:
    """Be the command that `client` asks for. kept: what imports put into the environment."""
    try:
        client.sendall(READY)
        length, streams, _, _ = socket.recv_fds(client, 4, STREAMS)
        request = _received(client, int.from_bytes(length, "big"))
    except OSError:  # whoever asked is gone
        os._exit(1)
    asked = json.loads(request)
    _take_over(asked, streams, kept)
    threading.Thread(target=_heed, args=(client,), daemon=True).start()
    sys.argv = asked["argv"]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
    raise SystemExit(0)


def _take_over(asked: Mapping[str, Any], streams: Sequence[int], kept: Mapping[str, str]) -> None:
    """Give this process the streams, environment, directory, cores and signals of whoever asked."""
    os.setpgid(0, 0)  # Ctrl-C comes from whoever asked, once
    signal.signal(signal.SIGINT, signal.default_int_handler if asked["heeds"] else signal.SIG_IGN)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update({**kept, **asked["env"]})
    os.sched_setaffinity(0, asked["cores"])
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()  # forks would draw the same


def _received(client: socket.socket, length: int) -> bytes:
    """The next `length` bytes. Raises ConnectionError where they do not come."""
    request = b""
    while len(request) < length:
        part = client.recv(length - len(request))
        if not part:
            raise ConnectionError("the request was cut off")
        request += part
    return request


def _heed(client: socket.socket) -> None:
    """Send this process the signals that `client` passes on; end it when `client` is gone."""
    main = threading.main_thread().ident  # which has to wake up, and another thread might get the signal
    assert main is not None
    while number := client.recv(1):
        signal.pthread_kill(main, number[0])
    signal.pthread_kill(main, signal.SIGTERM)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), ahead=AHEAD)
