"""Our own local launcher: starts worker processes, watches them, replaces the dead, ends the hanging.

(loky, behind Hydra's joblib launcher, breaks its whole pool when one worker is killed.)
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.study.workers.forks import Forks, Worker
from regimens.study.workers.leases import Lease
from regimens.study.workers.run_batch import patient
from regimens.study.workers.worker import STOPPED, StudyStopped

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

TICK = 0.2  # seconds between two looks at deadlines
STILLBORN = 3  # this many workers in a row that die before they are ready end the study


@dataclass
class Process:
    """One worker process, and what it is doing."""

    number: int
    worker: Worker
    log: Path
    ready: bool = False
    trial: dict[str, Any] | None = None
    #: (cell, phase, number) of all whose end it has still to tell; of a fleet there are many
    open: set[tuple[Any, ...]] = field(default_factory=set)
    deadline: float = float("inf")


@dataclass
class Pool:
    """Worker processes for one study, one for each lease.

    `job` is what each is told (see worker.py), `forks` starts them; `leases` holds each one's share of the machine,
    which stays with the worker that replaces it.
    """

    job: dict[str, Any]
    forks: Forks
    leases: Sequence[Lease]
    logs: Path
    on_event: Callable[[dict[str, Any]], None]
    #: records that a trial overran its time; False if it has just finished after all
    on_timeout: Callable[[dict[str, Any]], bool]
    timeout: float | None = None
    #: asked again and again; once it says no, the workers are ended
    keep_on: Callable[[], bool] = lambda: True
    _events: queue.Queue[tuple[Process, dict[str, Any] | None]] = field(default_factory=queue.Queue)
    _alive: dict[int, Process] = field(default_factory=dict)
    _stillborn: int = 0
    _done: bool = False

    def run(self) -> None:
        """Return when a worker has found nothing left to do, and all others have told what they did.

        Raises:
            StudyStopped: a worker says that nobody can go on, or workers die before they begin.
        """
        try:
            for number in range(len(self.leases)):
                self._start(number)
            while self._alive and self.keep_on() and not self._over:
                with contextlib.suppress(queue.Empty):
                    self._hear(*self._events.get(timeout=TICK))
                self._end_overdue()
        finally:
            self.stop()

    @property
    def _over(self) -> bool:
        """Whether those that are left only wait for others, or for their own end."""
        return self._done and not any(process.open for process in self._alive.values())

    def stop(self) -> None:
        """End all workers."""
        for process in self._alive.values():
            process.worker.send_signal(signal.SIGKILL)
        for process in self._alive.values():
            process.worker.wait()
        self._alive.clear()

    def _start(self, number: int) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"worker-{self.job['session']}-{number}.log"
        with log.open("a") as errors:
            process = Process(number, self.forks.worker(self.job, errors, self.leases[number]), log)
        self._alive[number] = process
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def _listen(self, process: Process) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in process.worker.events:
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
        elif kind == "done":
            self._done = True
        elif kind == "stopped":
            raise StudyStopped(event["message"])
        elif kind == "started":
            process.trial = event
            process.open.add(_slot(event))
            process.deadline = time.monotonic() + self.timeout if self.timeout else float("inf")
        elif kind == "finished":
            process.trial, process.deadline = None, float("inf")
            process.open.discard(_slot(event))
        self.on_event({**event, "worker": process.number})

    def _replace_dead(self, process: Process) -> None:
        status = process.worker.wait()
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
            process.worker.send_signal(signal.SIGSTOP)  # it keeps its locks, so nobody takes the trial meanwhile
            if self.on_timeout(process.trial):
                process.worker.send_signal(signal.SIGKILL)
            else:
                process.worker.send_signal(signal.SIGCONT)


def make_pool(
    queue: TrialQueue,
    job: dict[str, Any],
    forks: Forks,
    leases: Sequence[Lease],
    timeout: float | None,
    hear: Callable[[dict[str, Any]], None],
    keep_on: Callable[[], bool] = lambda: True,
) -> Pool:
    """Worker processes on this machine for a queue's study."""

    def on_timeout(trial: dict[str, Any]) -> bool:
        record = partial(queue.record_timeout, trial["cell"], trial["phase"], trial["number"], timeout or 0)
        if not patient(queue, hear, record):
            return False
        hear({**trial, "event": "finished", "status": "timeout", "error": f"over {timeout} s"})
        return True

    return Pool(job, forks, leases, queue.directory / "workers", hear, on_timeout, timeout, keep_on)


def _slot(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["cell"], event["phase"], event["number"]


def _what(trial: dict[str, Any] | None) -> dict[str, Any]:
    return {key: trial[key] for key in ("cell", "phase", "number")} if trial else {}


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
