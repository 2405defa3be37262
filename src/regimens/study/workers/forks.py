"""Worker processes: forks of one that imports what trials take, once, while their study is still planned."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from regimens.core.fork import Fork
from regimens.study.workers.leases import Lease

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WORKER = "regimens.study.workers.worker"
POLL = 0.005  # seconds


@dataclass(frozen=True)
class Worker:
    """One worker process, and where it tells its events: a line of JSON each."""

    process: Fork | subprocess.Popen[str]
    events: IO[str]

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; that of a signal is negative."""
        status = self.process.wait()
        self.events.close()
        return status


class Forks:
    """Starts workers for trials of `run_trial`. The process that they are forks of ends with the block."""

    def __init__(self, run_trial: str) -> None:
        self._run_trial = run_trial
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._server is not None and self._home is not None:
            self._server.kill()
            self._server.communicate()  # closes its input, and waits for its end
            self._home.cleanup()

    def begin(self, engines: Collection[str] = ()) -> None:
        """Have imported what trials take, and what these engines take: ahead of the first worker, once for all."""
        if self._server is None and _can_fork():
            self._home = tempfile.TemporaryDirectory(prefix="regimens-")
            self._server = subprocess.Popen(
                [sys.executable, "-m", "regimens.core.fork_server", str(self._place)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a worker meets the same error, and tells it
                bufsize=0,
                env={**os.environ, **ONE_THREAD},
                start_new_session=True,  # Ctrl-C is for the parent alone
            )
        if self._server is not None and self._server.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._server.stdin.write(json.dumps([f"{WORKER}:warm_up", self._run_trial, *engines]).encode() + b"\n")

    def worker(self, job: Mapping[str, Any], log: IO[str], lease: Lease) -> Worker:
        """A worker that does `job` (see worker.py) and has `lease`; what trials print goes to `log`."""
        reading, writing = os.pipe()
        try:
            env = {**os.environ, **ONE_THREAD, **lease.environment}
            # A device is leased before torch is imported.
            process = (None if lease.locks else self._fork(job, writing, log, env)) or _process(
                job, writing, log, env, lease
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return Worker(process, os.fdopen(reading))

    @property
    def _place(self) -> Path:
        assert self._home is not None
        return Path(self._home.name) / "socket"

    def _fork(self, job: Mapping[str, Any], events: int, log: IO[str], env: Mapping[str, str]) -> Fork | None:
        """None where there is no server to make one, or it has failed."""
        if self._server is None:
            self.begin()
        if self._server is None:
            return None
        while not self._place.exists() and self._server.poll() is None:
            time.sleep(POLL)
        fork = Fork.of(self._place)
        if fork is not None:
            with Path(os.devnull).open() as nothing:
                streams = [nothing.fileno(), events, log.fileno()]
                fork.ask([f"{WORKER}:main", dict(job)], streams, env, heeds_interrupts=False)
        return fork


def _can_fork() -> bool:
    """Whether this system and this Python have what a fork server takes."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _process(
    job: Mapping[str, Any], events: int, log: IO[str], env: Mapping[str, str], lease: Lease
) -> subprocess.Popen[str]:
    """A worker that is a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER],
        stdin=subprocess.PIPE,
        stdout=events,
        stderr=log,
        text=True,
        env=env,
        pass_fds=lease.descriptors,
        start_new_session=True,  # Ctrl-C is for the parent alone
    )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as told:
        told.write(json.dumps([os.getpid(), job]) + "\n")
    return process
