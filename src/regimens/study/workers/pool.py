"""Our own local launcher: starts worker processes, watches them, replaces the dead, ends the hanging.

(loky, behind Hydra's joblib launcher, breaks its whole pool when one worker is killed.)
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from regimens.study.workers.leases import Lease
from regimens.study.workers.run_batch import patient
from regimens.study.workers.spares import Spares, spawn
from regimens.study.workers.worker import STOPPED, StudyStopped

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

TICK = 0.2  # seconds between two looks at deadlines
GRACE = 3.0  # seconds that a worker has to stop when asked
STILLBORN = 3  # this many workers in a row that die before they are ready end the study


@dataclass
class Process:
    """One worker process, and what it is doing."""

    number: int
    popen: subprocess.Popen[str]
    log: Path
    ready: bool = False
    trial: dict[str, Any] | None = None
    deadline: float = float("inf")


@dataclass
class Pool:
    """Worker processes for one study, one for each lease.

    `job` is what each is told (see worker.py); `leases` holds each one's share of the machine, which stays with the
    worker that replaces it. `spares` become the first ones, but for leases of devices.
    """

    job: dict[str, Any]
    leases: Sequence[Lease]
    logs: Path
    on_event: Callable[[dict[str, Any]], None]
    #: records that a trial overran its time; False if it has just finished after all
    on_timeout: Callable[[dict[str, Any]], bool]
    timeout: float | None = None
    #: asked again and again; once it says no, the workers are ended
    keep_on: Callable[[], bool] = lambda: True
    spares: Spares = field(default_factory=lambda: Spares(""))
    _events: queue.Queue[tuple[Process, dict[str, Any] | None]] = field(default_factory=queue.Queue)
    _alive: dict[int, Process] = field(default_factory=dict)
    _stillborn: int = 0

    def run(self) -> None:
        """Return when all workers have found nothing left to do.

        Raises:
            StudyStopped: a worker says that nobody can go on, or workers die before they begin.
        """
        try:
            for number in range(len(self.leases)):
                self._start(number)
            while self._alive and self.keep_on():
                with contextlib.suppress(queue.Empty):
                    self._hear(*self._events.get(timeout=TICK))
                self._end_overdue()
        finally:
            self.stop()

    def stop(self) -> None:
        """End all workers, kindly and then not."""
        for process in self._alive.values():
            _close(process.popen.stdin)  # by which it knows
            process.popen.send_signal(signal.SIGCONT)
        end = time.monotonic() + GRACE
        for process in self._alive.values():
            try:
                process.popen.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
            _close(process.popen.stdout)
        self._alive.clear()

    def _start(self, number: int) -> None:
        lease = self.leases[number]
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"worker-{self.job['session']}-{number}.log"
        with log.open("a") as errors:
            spare = None if lease.locks else self.spares.take()
            popen = spare or spawn(self.job["run_trial"], errors, lease.environment, lease.descriptors)
        process = Process(number, popen, log)
        self._alive[number] = process
        assert popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            popen.stdin.write(json.dumps({**self.job, "parent": os.getpid(), "log": str(log)}) + "\n")
            popen.stdin.flush()
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def _listen(self, process: Process) -> None:
        assert process.popen.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in process.popen.stdout:
                with contextlib.suppress(json.JSONDecodeError):
                    self._events.put((process, json.loads(line)))
        self._events.put((process, None))

    def _hear(self, process: Process, event: dict[str, Any] | None) -> None:
        if event is None:
            self._replace_dead(process)
            return
        kind = event["event"]
        if kind == "ready":
            process.ready, self._stillborn = True, 0
        elif kind == "stopped":
            raise StudyStopped(event["message"])
        elif kind == "started":
            process.trial = event
            process.deadline = time.monotonic() + self.timeout if self.timeout else float("inf")
        elif kind == "finished":
            process.trial, process.deadline = None, float("inf")
        self.on_event({**event, "worker": process.number})

    def _replace_dead(self, process: Process) -> None:
        status = process.popen.wait()
        _close(process.popen.stdin, process.popen.stdout)
        if self._alive.get(process.number) is not process:
            return
        del self._alive[process.number]
        if status == 0:
            return
        if status == STOPPED:
            raise StudyStopped(f"worker {process.number} stopped; see {process.log}")
        self.on_event({"event": "died", "worker": process.number, "status": status, **_what(process.trial)})
        self._stillborn += not process.ready
        if self._stillborn >= STILLBORN:
            raise StudyStopped(f"workers die before they begin: {_last_line(process.log)} (see {process.log})")
        self._start(process.number)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for process in self._alive.values():
            if now <= process.deadline or process.trial is None:
                continue
            process.deadline = float("inf")
            process.popen.send_signal(signal.SIGSTOP)  # it keeps its locks, so nobody takes the trial meanwhile
            if self.on_timeout(process.trial):
                process.popen.kill()
            else:
                process.popen.send_signal(signal.SIGCONT)


def make_pool(
    queue: TrialQueue,
    job: dict[str, Any],
    leases: Sequence[Lease],
    timeout: float | None,
    hear: Callable[[dict[str, Any]], None],
    keep_on: Callable[[], bool] = lambda: True,
    spares: Spares | None = None,
) -> Pool:
    """Worker processes on this machine for a queue's study."""

    def on_timeout(trial: dict[str, Any]) -> bool:
        record = partial(queue.record_timeout, trial["cell"], trial["phase"], trial["number"], timeout or 0)
        if not patient(queue, hear, record):
            return False
        hear({**trial, "event": "finished", "status": "timeout", "error": f"over {timeout} s"})
        return True

    return Pool(job, leases, queue.directory / "workers", hear, on_timeout, timeout, keep_on, spares or Spares(""))


def _close(*streams: IO[str] | None) -> None:
    for stream in streams:
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def _what(trial: dict[str, Any] | None) -> dict[str, Any]:
    return {key: trial[key] for key in ("cell", "phase", "number")} if trial else {}


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
