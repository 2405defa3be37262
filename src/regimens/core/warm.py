"""A process that has imported what commands import, and is forked for each of them.

A pipeline is a dozen commands, each of which takes more than ten seconds of a core to import torch, Lightning and
MLflow. Where `REGIMENS_WARM` names the server's socket, a command's own process passes on what it was asked (arguments,
environment, working directory, cores, standard streams), waits for the fork that does it, and ends as that one ends.
"""

import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

SOCKET = "REGIMENS_WARM"
# What a study imports, most of it late; the parts of torch's compiler among it.
IMPORTS = (
    *("numpy", "pandas", "scipy.stats", "hydra", "optuna", "torch", "torch._inductor.compile_fx", "pytorch_lightning"),
    *("torchmetrics", "mlflow", "pyarrow.parquet", "sklearn.datasets", "statsmodels.api", "rich.progress"),
)
REQUEST = 1 << 20  # bytes; an environment takes some kilobytes


def run(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit status of the script `argv[0]`: of a fork of the server's, or of `main(argv)` where there is none."""
    place = os.environ.get(SOCKET)
    if place:
        with socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(place)
            except OSError:  # it has ended: the command goes on by itself
                return main(argv)
            return _passed_on(server, argv)
    return main(argv)


def _passed_on(server: socket.socket, argv: Sequence[str]) -> int:
    """Have the server do it; killing this process ends the fork, which sees its connection closed."""
    env = {key: value for key, value in os.environ.items() if key != SOCKET}
    cores = sorted(os.sched_getaffinity(0))
    request = json.dumps({"argv": list(argv), "env": env, "directory": str(Path.cwd()), "cores": cores}).encode()
    socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(request)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the fork, of the same terminal, too
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown(socket.SHUT_WR))
    status = b""
    while part := server.recv(16):  # until the fork is gone, with all that it does at its end
        status += part
    return int(status or 1)


def serve(place: Path, imports: Sequence[str] = IMPORTS) -> None:
    """Listen at `place`, import, and fork for whoever asks, until standard input ends. Who asks meanwhile waits."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(64)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for name in imports:
            import_module(name)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [], 1)
            while _reaped():
                pass
            if sys.stdin in ready:
                return
            if listener in ready:
                client, _ = listener.accept()
                if os.fork() == 0:
                    listener.close()
                    _become(client)
                client.close()


def _reaped() -> bool:
    """Whether a fork that had ended was waited for."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0] > 0
    except ChildProcessError:
        return False


def _become(client: socket.socket) -> None:
    """Be the command that `client` asks for; does not return."""
    length, streams, _, _ = socket.recv_fds(client, 4, 3)
    request = b""
    while len(request) < int.from_bytes(length, "big"):
        request += client.recv(REQUEST)
    asked: dict[str, Any] = json.loads(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["env"])
    os.sched_setaffinity(0, asked["cores"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with, args=(client,), daemon=True).start()
    sys.argv = asked["argv"]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    status: Any = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code
        if status is not None and not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    finally:
        client.sendall(str(int(status or 0)).encode())
    raise SystemExit(status)


def _end_with(client: socket.socket) -> None:
    """Ask this process to end when whoever asked for it is gone."""
    if not client.recv(1):
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
