"""A fork server: one process imports what many take, and a fork of it does what each was asked; fork.py asks.

Torch, Lightning and MLflow take seconds of a core to import. A pipeline is a dozen commands that take them, each of
which passes on what it was asked (arguments, environment, directory, cores, standard streams) and its signals, where
`REGIMENS_FORK_SERVER` names the server's socket; and a study's workers are forks of a server of their own. Linux only.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from regimens.core.fork import READY, STREAMS

# A terminal and a cluster send them to all processes at once; whoever asked for a fork passes on what it is to hear.
OTHERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def serve(place: Path) -> None:
    """Listen at `place`, and fork for whoever asks, until standard input ends.

    A line of standard input is a call which forks are to find done: JSON, a function's dotted name and its arguments.
    Who asks meanwhile waits.
    Raises OSError where nobody can listen there (its path is too long, say), and what a call raises.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        begun_at = place.with_suffix(".new")
        listener.bind(str(begun_at))
        listener.listen(64)
        begun_at.rename(place)  # from here on nobody is refused
        for number in OTHERS:
            signal.signal(number, signal.SIG_IGN)
        begun, calls = dict(os.environ), b""
        forks: dict[int, tuple[int, socket.socket]] = {}
        while True:
            ready, _, _ = select.select([listener, sys.stdin, *forks], [], [])
            for handle in forks.keys() & set(ready):
                _report(handle, *forks.pop(handle))
            if sys.stdin in ready:
                if not (read := os.read(sys.stdin.fileno(), 65536)):
                    return
                *lines, calls = (calls + read).split(b"\n")
                for line in lines:
                    _call(json.loads(line))
            elif listener in ready:
                kept = {key: value for key, value in os.environ.items() if begun.get(key) != value}
                if (client := _fork(listener, forks)) is not None:
                    _be_asked(client, kept)


def _fork(listener: socket.socket, forks: dict[int, tuple[int, socket.socket]]) -> socket.socket | None:
    """Make a fork for who asks next, and add it to `forks`. In the fork: the connection to who asked; else None.

    Where no process or descriptor is left, who asked does without.
    """
    with contextlib.ExitStack() as left, contextlib.suppress(OSError):
        client = left.enter_context(listener.accept()[0])
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if (pid := os.fork()) == 0:
            left.pop_all()
            listener.close()
            for handle, (_, other) in forks.items():
                os.close(handle)
                other.close()
            return client
        forks[os.pidfd_open(pid)] = pid, client
        left.pop_all()
    return None


def run_script(*argv: str) -> None:
    """Be the command `python argv[0] ...`."""
    sys.argv = list(argv)
    sys.path[0] = str(Path(argv[0]).resolve().parent)
    runpy.run_path(argv[0], run_name="__main__")


def _call(call: Sequence[Any]) -> Any:
    name, *arguments = call
    return pkgutil.resolve_name(name)(*arguments)


def _report(handle: int, pid: int, client: socket.socket) -> None:
    """Tell `client` how its fork, which has ended, did so."""
    _, status = os.waitpid(pid, 0)
    os.close(handle)
    with client, contextlib.suppress(OSError):  # it may be gone itself
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        client.shutdown(socket.SHUT_RDWR)  # a child of the fork may hold a copy


def _be_asked(client: socket.socket, kept: Mapping[str, str]) -> NoReturn:
    """Be what `client` asks for. kept: what imports put into the environment."""
    try:
        handle = os.pidfd_open(os.getpid())
        socket.send_fds(client, [READY], [handle])
        os.close(handle)
        length, streams, _, _ = socket.recv_fds(client, 4, STREAMS)
        request = _received(client, int.from_bytes(length, "big"))
        asked = json.loads(request)
    except (OSError, ValueError):  # whoever asked is gone
        os._exit(1)
    _take_over(asked, streams, kept)
    threading.Thread(target=_heed, args=(client,), daemon=True).start()
    raise SystemExit(_call(asked["call"]))


def _take_over(asked: Mapping[str, Any], streams: Sequence[int], kept: Mapping[str, str]) -> None:
    """Give this process the streams, environment, directory, cores and signals of whoever asked."""
    os.setpgid(0, 0)  # Ctrl-C comes from whoever asked, once
    for told in OTHERS:
        signal.signal(told, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler if asked["heeds"] else signal.SIG_IGN)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if asked["directory"]:
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
    with contextlib.suppress(ConnectionError):
        while number := client.recv(1):
            signal.pthread_kill(main, number[0])
    signal.pthread_kill(main, signal.SIGTERM)


if __name__ == "__main__":
    serve(place := Path(sys.argv[1]))
    with contextlib.suppress(OSError):  # else whoever made the folder, and may have been killed, removes it
        place.unlink()
        place.parent.rmdir()
    os._exit(0)  # at once: what is to end with it waits for that
