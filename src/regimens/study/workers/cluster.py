"""Workers as jobs of any Hydra launcher (a cluster's queue, say): submitted once, followed through shared files.

A job is a supervised worker. It tells what happens in a file of events beside the study, which the parent reads. Jobs
survive the death of their parent, since a login node's connection may break; they end when it ends in order (Ctrl-C).
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from regimens.core.errors import UserError
from regimens.core.secrets import redact
from regimens.study.queue.sessions import busy, open_session, session_path
from regimens.study.workers.events import EventLog, NewEvents, events_of
from regimens.study.workers.forks import Forks
from regimens.study.workers.leases import Lease
from regimens.study.workers.pool import make_pool
from regimens.study.workers.progress import View
from regimens.study.workers.trial_runner import data_hash_of, locate
from regimens.study.workers.worker import StudyStopped

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

TICK = 1.0  # seconds between two looks at the shared files
SILENCE = 60.0  # seconds without a worker, after which the command says so
LINGER = 5.0  # seconds in which SLURM, after asking a job to end, may say that it wants it queued again


@dataclass
class WorkerJob:
    """What the launcher runs, wherever it puts it. It is pickled to a file, so it holds no password."""

    job: dict[str, Any]
    timeout: float | None

    def __call__(self, cfg: DictConfig) -> None:
        """Work until the study is done; `cfg` is not looked at, a worker composes its own."""
        from regimens.study.queue.open import open_queue
        from regimens.study.queue.storage import patiently

        directory = Path(self.job["directory"])
        parent = session_path(directory, self.job["session"])
        if not parent.exists():
            return  # its command is over; this job waited in the queue for too long
        # The trial of a worker that dies is held against the trial only while its supervisor lives, so not when the
        # cluster ends both.
        with open_session(directory) as name:
            wait = self.job["storage_wait"]
            queue = patiently(lambda: open_queue(directory, session=name, storage_wait=wait), wait)
            queue.files.hash_of = data_hash_of(locate(self.job["run_trial"]))
            log = EventLog(events_of(directory, self.job["session"]) / f"{name}.jsonl")
            with View(queue.study, 0) as view:

                def hear(event: dict[str, Any]) -> None:
                    event = {**event, "worker": name}  # each job calls its only worker 0
                    log.write(event)
                    view.hear(event)

                job = {**self.job, "session": name}
                try:
                    with ended_by_signal(session_path(directory, name)), Forks(self.job["run_trial"]) as forks:
                        make_pool(queue, job, forks, [Lease()], self.timeout, hear, keep_on=parent.exists).run()
                    return
                except StudyStopped as stop:
                    log.write({"event": "stopped", "message": str(stop)})
                    raise
                except Ended:  # its locks go first, with the end of these blocks
                    pass
        time.sleep(LINGER)
        raise SystemExit(128 + signal.SIGTERM)


class Ended(BaseException):
    """The cluster asks this job to end."""


@contextlib.contextmanager
def ended_by_signal(session: Path) -> Iterator[None]:
    """Raise Ended inside when SIGTERM comes (submitit, which runs the job, would ignore it and train on).

    The session's lock goes first: SLURM ends the worker, too, and while the lock is held its trial would be blamed.
    """

    def end(number: int, frame: Any) -> None:
        session.unlink(missing_ok=True)
        raise Ended

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def job_count(wanted: Any) -> int:
    """How many jobs to submit; only the person who asks can know, a login node's cores say nothing."""
    if wanted == "auto":
        raise UserError("study.workers=auto counts the devices of this machine; with hydra/launcher, say how many jobs")
    return int(wanted)


def launch(hydra_context: Any, config: DictConfig, task: WorkerJob, count: int) -> threading.Thread:
    """Hand worker loops, not trials, to the launcher that the user chose; it goes on in a thread of its own."""
    from hydra.core.plugins import Plugins

    # It says every few seconds that a cluster has no accounting, on which `follow` does not depend. (A filter, since
    # submitit sets its level when it is imported, which is later.)
    logging.getLogger("submitit").addFilter(lambda record: record.levelno >= logging.ERROR)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=task, config=without_secrets(config)
    )

    def run() -> None:
        try:
            for job in launcher.launch([[] for _ in range(count)], initial_job_idx=0):
                _ = job.return_value  # raises what the job raised
        except BaseException as error:
            thread.error = error  # type: ignore[attr-defined]

    thread = threading.Thread(target=run, daemon=True, name="launcher")
    thread.error = None  # type: ignore[attr-defined]
    thread.start()
    return thread


def without_secrets(config: DictConfig) -> DictConfig:
    """A configuration for files that others may read: the URL of a storage or a tracker may hold a password."""
    config = config.copy()
    with open_dict(config):
        for key in [str(key) for key in config if key != "hydra"]:
            if OmegaConf.is_config(config[key]):
                config[key] = redact(OmegaConf.to_container(config[key], resolve=False))
        config.hydra.overrides.task = []
        config.hydra.job.override_dirname = ""
    return config


def follow(queue: TrialQueue, launched: threading.Thread, view: View, hear: Callable[[dict[str, Any]], None]) -> None:
    """Show what the jobs do until every trial has its result.

    Raises:
        StudyStopped: no job is left, or one says that nobody can go on.
    """
    study, directory = queue.study, queue.directory
    news = NewEvents(events_of(directory, queue.session))
    heard, told = time.monotonic(), False
    while True:
        over, deserted = not launched.is_alive(), not busy(directory, queue.session)
        for event in news:
            if event["event"] == "stopped":
                raise StudyStopped(event["message"])
            hear(event)
        began = time.monotonic()
        left = queue.look()
        view.done = study.total - left
        if study.complete and not left:
            return
        if over and deserted:
            raise StudyStopped(f"no worker is left of those that hydra/launcher started{why(launched)}")
        if not deserted:
            heard, told = began, False
        elif not told and began > heard + SILENCE:
            view.say("no worker runs: this waits for those in the queue (`squeue`); Ctrl-C ends it")
            told = True
        time.sleep(max(TICK, 20 * (time.monotonic() - began)))  # looking at 10,000 files takes time, too


def why(launched: threading.Thread) -> str:
    """What the launcher complained of, in brackets."""
    error = getattr(launched, "error", None)
    lines = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    return f" ({lines[-1]})" if lines else ""
