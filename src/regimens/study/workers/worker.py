"""A worker: takes the next trials of a study until there are none left. In this process, or as a process of its own.

As a process it writes events, one line of JSON each, to standard output; what a trial prints goes to standard error, a
log. It is a fork of one that has called `warm_up` and calls `main`, or, where it leases a device or can be no fork, one
of its own (`python -m regimens.study.workers.worker`), which reads its job from standard input. It ends with whoever
started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import MisnamedError, UserError
from regimens.core.process import die_with
from regimens.core.result import Result
from regimens.core.secrets import brief, redact, restore
from regimens.study.workers.run_batch import Answer, Emit, describe, patient, run_batch
from regimens.study.workers.trial_runner import TrialRunner, data_hash_of, locate

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

Show = Callable[[Result, Path], Any]

# Seconds between two looks for a trial when all that are left are running elsewhere: at first, and at most.
WAIT, LONGEST_WAIT = 0.1, 1.6
#: exit statuses that the launcher understands
STOPPED = 3
SUPERVISOR_FIRST = 1.0  # seconds


class StudyStopped(Exception):  # noqa: N818
    """No worker of this study can go on; the message is one line for the user."""


def work(queue: TrialQueue, runner: TrialRunner, emit: Emit, show: Show) -> None:
    """Run trials until every trial of the study is done, and `show` each result, with its directory, to the tracker.

    Raises:
        StudyStopped: the disk is full, or the storage has been away for too long.
    """
    from regimens.study.queue.storage import StorageAway

    def storage(action: Callable[[], Answer]) -> Answer:
        return patient(queue, emit, action)

    wait = WAIT
    while True:
        batch = None
        try:
            before = queue.study.round
            batch = storage(queue.claim_batch)
            if queue.study.round != before:
                emit({"event": "round", "round": queue.study.round})
            if batch is None:
                if queue.finished:
                    return
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            wait = WAIT
            for claim in batch.claims:
                emit({"event": "started", **describe(claim)})
            results = run_batch(queue, batch, runner, emit)
            for claim, result in zip(batch.claims, results, strict=True):
                show(result, claim.directory)
                storage(partial(queue.finish, claim, result))
                emit({"event": "finished", **describe(claim), "status": result.status, "metrics": result.metrics,
                      "error": (result.error or {}).get("message")})  # fmt: skip
        except (StorageAway, MisnamedError) as error:
            raise StudyStopped(str(error)) from error
        except Exception as error:
            from regimens.core.files import is_disk_full

            if is_disk_full(error):
                raise StudyStopped(f"the disk is full ({brief(error)}): make space") from error
            raise
        finally:
            if batch is not None:
                batch.release()


def warm_up(run_trial: str, *engines: str) -> None:
    """Import what a worker takes for trials of `run_trial` with these engines."""
    from regimens.study.queue import open as _open  # noqa: F401 - and what it imports
    from regimens.study.workers import tracked  # noqa: F401 - and what it imports

    with contextlib.suppress(UserError):  # said again, and to somebody, by `main`
        locate(run_trial).warm_up(engines)


def main(job: Mapping[str, Any]) -> int:
    """The worker process: its exit status is 0 when the study is done, STOPPED when no worker can go on."""
    for told in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):  # Ctrl-C, a cluster's warnings: our parent stops us
        signal.signal(told, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_after_parent)
    die_with(os.getppid())  # a worker without its command would train for nobody
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)  # whole lines, since we are killed at the study's end
    guard = threading.Lock()

    def emit(event: Mapping[str, Any]) -> None:
        try:
            with guard:
                events.write(json.dumps(event) + "\n")
        except BrokenPipeError:  # our command is gone, and soon we are: no failure of a trial
            os._exit(1)

    from regimens.study.queue.open import open_queue
    from regimens.study.queue.storage import StorageAway, patiently
    from regimens.study.workers.tracked import make_tracker

    try:
        runner = locate(job["run_trial"])
        place, wait = Path(job["directory"]), job["storage_wait"]
        queue = patiently(partial(open_queue, place, session=job["session"], storage_wait=wait), wait)
        queue.files.hash_of = data_hash_of(runner)
        emit({"event": "ready"})
        work(queue, runner, emit, partial(make_tracker(restore(job["tracking"])).log, parent=job["entry"]))
        emit({"event": "done"})
    except (StudyStopped, StorageAway, UserError) as error:
        emit({"event": "stopped", "message": redact(str(error))})
        return STOPPED
    except Exception:
        print(redact(traceback.format_exc()), file=sys.stderr)
        return 1
    return 0


def _end_after_parent(number: int, frame: Any) -> None:
    """On SIGTERM wait, so that the supervisor releases its session's lock first.

    A cluster signals a whole job at once; a worker that died before its supervisor would have its trial charged.
    """
    time.sleep(SUPERVISOR_FIRST)
    os._exit(128 + number)


def _as_process() -> int:
    """`main`, for a command that writes its process number and the job to our standard input."""
    parent, job = json.loads(sys.stdin.readline())
    die_with(parent)
    return main(job)


if __name__ == "__main__":
    sys.exit(_as_process())
