"""Who trains a study: this process, processes of ours on this machine, or jobs of the chosen Hydra launcher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from regimens.core.imports import import_packages
from regimens.core.terminal import counted
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import UNNAMED
from regimens.study.workers import cluster
from regimens.study.workers.leases import Lease, inventory, room_for, take
from regimens.study.workers.pool import make_pool
from regimens.study.workers.progress import View, duration
from regimens.study.workers.spares import Spares
from regimens.study.workers.trial_runner import locate
from regimens.study.workers.worker import work

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue
    from regimens.study.workers.tracked import Tracked

# What a study's table takes: imported once a trial has finished, since at the end all else waits for it.
TABLE = ("scipy.stats",)
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def spares_for(settings: Settings, config: DictConfig, run_trial: str) -> Spares:
    """The workers of a study that is still to be planned; none where it may need none, or its workers lease devices.

    A study's name with trials on the disk may be one that is done.
    """
    begun = any(Path(config.paths.runs).glob(f"{config.hydra.runtime.choices.get('study') or UNNAMED}-*"))
    if begun or config.hydra.launcher._target_ != BASIC_LAUNCHER or inventory():
        return Spares(run_trial)
    room = room_for(threads=config.get("threads", 1))
    count = room if settings.workers == "auto" else settings.workers
    return Spares(run_trial, min(count, room) if isinstance(count, int) and count > 1 else 0)


def train(
    queue: TrialQueue,
    settings: Settings,
    config: DictConfig,
    hydra_context: Any,
    run_trial: str,
    entry: Tracked,
    spares: Spares,
) -> None:
    """Bring the study to its end; `entry` is its entry in the tracker, `spares` may become its workers.

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
                if event["event"] == "finished":
                    import_packages(*TABLE)

            if foreign:
                launched = cluster.launch(hydra_context, config, cluster.WorkerJob(job, settings.timeout), count)
                cluster.follow(queue, launched, view, hear)
            # A worker with a GPU is a process, also where it is the only one: torch is then imported after the lease.
            elif count > 1 or (left and (settings.timeout or leases[0].locks)):
                make_pool(queue, job, leases, settings.timeout, hear, spares=spares).run()
                queue.look()
                return
            work(queue, locate(run_trial), hear, entry.show)
    except SystemExit:  # Lightning's way of saying that Ctrl-C was pressed inside `fit`
        raise KeyboardInterrupt from None
    finally:
        for lease in leases:
            lease.release()


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
