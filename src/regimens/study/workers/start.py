"""Who trains a study: this process, processes of ours on this machine, or jobs of the chosen Hydra launcher."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from regimens.core.imports import import_packages
from regimens.core.terminal import counted
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import UNNAMED
from regimens.study.workers import cluster
from regimens.study.workers.forks import Forks
from regimens.study.workers.leases import Lease, inventory, room_for, take
from regimens.study.workers.pool import make_pool
from regimens.study.workers.progress import View, duration
from regimens.study.workers.trial_runner import locate
from regimens.study.workers.worker import work

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue
    from regimens.study.workers.tracked import Tracked

# What a study's table takes and, where it is tracked, its picture.
TABLE, PICTURE = ("scipy.stats",), ("matplotlib.figure", "matplotlib.backends.backend_svg")
LONGEST = 10.0  # seconds for which an interrupt waits for imports that it came into
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def forks_for(settings: Settings, config: DictConfig, run_trial: str) -> Forks:
    """The workers of a study that is still to be planned, their imports begun where it is likely to need several.

    A named study with trials on the disk may be one that is done, and workers that lease devices are no forks.
    """
    forks = Forks(run_trial)
    name = config.hydra.runtime.choices.get("study") or UNNAMED
    begun = name != UNNAMED and any(Path(config.paths.runs).glob(f"{name}-*"))
    if begun or config.hydra.launcher._target_ != BASIC_LAUNCHER or inventory():
        return forks
    if settings.workers == "auto":
        several = room_for(threads=config.get("threads", 1)) > 1
    else:
        several = isinstance(settings.workers, int) and settings.workers > 1
    if several:
        forks.begin()
    return forks


def train(
    queue: TrialQueue,
    settings: Settings,
    config: DictConfig,
    hydra_context: Any,
    run_trial: str,
    entry: Tracked,
    forks: Forks,
) -> None:
    """Bring the study to its end; `entry` is its entry in the tracker, `forks` starts its workers.

    Raises:
        StudyStopped: nobody can go on.
    """
    study = queue.study
    left = len(queue.open_places())
    done = study.total - left
    foreign = bool(left) and config.hydra.launcher._target_ != BASIC_LAUNCHER
    leases = [] if foreign else leased(queue, settings, config) if left else [Lease()]
    count = cluster.job_count(settings.workers) if foreign else len(leases)
    size = f"{counted(len(study.cells), 'cell')}, {counted(study.expected, 'trial')}, {done} done"
    limit = f", then what fits in {duration(settings.seconds)}" if settings.seconds and left else ""
    print(f"{study.name} ({study.id}): {size}, {counted(count, 'worker')}{limit}")
    job: dict[str, Any] = {"directory": str(queue.directory), "session": queue.session, "run_trial": run_trial}
    job |= {"tracking": entry.for_workers, "entry": entry.parent, "storage_wait": settings.storage_wait}
    try:
        earlier = [result for result in queue.files.everything() if result is not None] if left and done else []
        with View(study, done, count, earlier=earlier) as view:

            def hear(event: dict[str, Any]) -> None:
                if event["event"] == "round":
                    queue.look()
                view.hear(event)
                entry.hear(event, queue)

            if foreign:
                launched = cluster.launch(hydra_context, config, cluster.WorkerJob(job, settings.timeout), count)
                cluster.follow(queue, launched, view, hear)
            # A worker with a GPU is a process, also where it is the only one: torch is then imported after the lease.
            elif count > 1 or (left and (settings.timeout or leases[0].locks)):
                _train_in_processes(queue, settings.timeout, job, leases, hear, entry, forks)
                return
            work(queue, locate(run_trial), hear, entry.show)
    except SystemExit:  # Lightning's way of saying that Ctrl-C was pressed inside `fit`
        raise KeyboardInterrupt from None
    finally:
        for lease in leases:
            lease.release()


def _train_in_processes(
    queue: TrialQueue,
    timeout: float | None,
    job: dict[str, Any],
    leases: Sequence[Lease],
    hear: Callable[[dict[str, Any]], None],
    entry: Tracked,
    forks: Forks,
) -> None:
    """Train with a worker for each lease; while one process imports what trials take, prepare the study's end.

    At the end all else would wait for that.
    """
    if not leases[0].locks:
        forks.begin({cell.engine for cell in queue.study.cells})
    ahead = threading.Thread(target=_prepare_end, args=(entry,), daemon=True, name="prepare-end")
    ahead.start()

    def hear_then(event: dict[str, Any]) -> None:
        ahead.join()  # two threads that import parts of one package may find each other's unfinished
        hear(event)

    try:
        make_pool(queue, job, forks, leases, timeout, hear_then).run()
    finally:
        ahead.join(LONGEST)
    queue.look()


def _prepare_end(entry: Tracked) -> None:
    """Import and look up what the study's end takes, which says so itself where it cannot be had."""
    for prepare in (entry.tracker.warm_up, partial(import_packages, *TABLE, *(PICTURE if entry.node else ()))):
        with contextlib.suppress(Exception):
            prepare()


def leased(queue: TrialQueue, settings: Settings, config: DictConfig) -> list[Lease]:
    """A lease for each worker on this machine; says so where trials do not use what they lease."""
    nodes = [queue.files.plain(cell, cell.default).get("trainer") or {} for cell in queue.study.cells]
    spread = [node["devices"] for node in nodes if isinstance(node.get("devices"), int)]
    leases = take(settings.workers, settings.per_gpu, max(spread, default=1), config.get("threads", 1))
    if leases[0].locks and all(node.get("accelerator") == "cpu" for node in nodes):
        print(
            "note: the workers lease GPUs, but trainer=cpu does not use them: add trainer=gpu, or hide the GPUs "
            "(CUDA_VISIBLE_DEVICES=) for one worker a core",
            file=sys.stderr,
        )
    return leases
