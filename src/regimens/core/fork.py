"""A process that a fork server made, as whoever asked for it sees it; fork_server.py is the other side."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

SOCKET = "REGIMENS_FORK_SERVER"
READY = b"+"
STREAMS = 3
INTERRUPTED = 130


class Fork:
    """One process, which watches this object's connection: it ends with whoever asked for it."""

    def __init__(self, connection: socket.socket, handle: int) -> None:
        self._connection, self._handle = connection, handle
        self._status: int | None = None

    @classmethod
    def of(cls, place: str | Path | None) -> Self | None:
        """A new fork of the server at `place`; None where none is to be had: there is no server, or it has failed."""
        if not place:
            return None
        with contextlib.ExitStack() as left, contextlib.suppress(OSError):
            connection = left.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(place))
            ready, handles, _, _ = socket.recv_fds(connection, 1, 1)
            if ready == READY:
                os.set_inheritable(handles[0], False)
                left.pop_all()
                return cls(connection, *handles)
        return None

    def ask(
        self, call: Sequence[Any], streams: Sequence[int], env: Mapping[str, str], *, heeds_interrupts: bool = True
    ) -> None:
        """Tell it what to do: `call` is the dotted name of a function, and its arguments; in this directory and on
        these cores, with `env`, and with `streams` for its standard ones. It ends as the function does, or at once
        where it cannot be told.
        """
        cores = sorted(os.sched_getaffinity(0))
        told = {"call": call, "env": dict(env), "directory": _directory(), "cores": cores, "heeds": heeds_interrupts}
        request = json.dumps(told).encode()
        try:
            socket.send_fds(self._connection, [len(request).to_bytes(4, "big")], list(streams))
            self._connection.sendall(request)
        except OSError:
            self._connection.shutdown(socket.SHUT_RDWR)

    def pass_on(self, number: int) -> None:
        """Send a signal to its main thread, which has to wake up: another thread might get one that is sent to all."""
        self._connection.sendall(bytes([number]))

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def wait(self) -> int:
        """Its exit status; that of a signal is negative. As if it had been killed where its server is gone."""
        if self._status is None:
            status = b""
            with contextlib.suppress(ConnectionError):
                while part := self._connection.recv(16):
                    status += part
            self._status = int(status or -signal.SIGKILL)
            self._connection.close()
            os.close(self._handle)
        return self._status


def _directory() -> str:
    """The working directory; empty where it was removed."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def run(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit status of the script `argv[0]`: of the server's fork, or of `main(argv)` where there is no server."""
    try:
        fork = Fork.of(os.environ.get(SOCKET))
    except KeyboardInterrupt:
        return INTERRUPTED
    return main(argv) if fork is None else _passed_on(fork, argv)


def _passed_on(fork: Fork, argv: Sequence[str]) -> int:
    """Have `fork` do it, pass signals on, and wait until it is gone."""
    env = {key: value for key, value in os.environ.items() if key != SOCKET}
    heeds = signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    passed_on = (signal.SIGINT, signal.SIGTERM) if heeds else (signal.SIGTERM,)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # none may come into the midst of the request
    fork.ask(["regimens.core.fork_server:run_script", *argv], range(STREAMS), env, heeds_interrupts=heeds)
    for number in passed_on:
        signal.signal(number, lambda told, _: fork.pass_on(told))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    status = fork.wait()
    if status == -signal.SIGKILL:
        print("error: the command was killed, or the server that it is a fork of", file=sys.stderr)
    return status if status >= 0 else 128 - status  # as a shell does with a signal
