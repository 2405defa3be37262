"""Who trains a study: this process, processes of ours on this machine, or jobs of the chosen Hydra launcher."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from regimens.errors import UserError
from regimens.study.definition import Study
from regimens.study.launcher import Pool
from regimens.study.leases import Lease, take
from regimens.study.live import View
from regimens.study.opening import make_ledger
from regimens.study.settings import Settings
from regimens.study.summary import counted
from regimens.study.worker import locate, work

if TYPE_CHECKING:
    from regimens.study.ledger import Ledger

BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def train(
    ledger: Ledger, settings: Settings, config: DictConfig, hydra_context: Any, run_trial: str, parent: str | None
) -> None:
    """Bring the study to its end; `parent` is its run in the tracker.

    Raises:
        StudyStopped: nobody can go on.
    """
    study = ledger.study
    done = sum((ledger.place(c, p, n) / "result.json").exists() for c, p, n in slots(study))
    left = done < study.total
    foreign = left and config.hydra.launcher._target_ != BASIC_LAUNCHER
    if foreign and settings.workers == "auto":
        raise UserError("study.workers=auto counts the devices of this machine; for a launcher's, give a number")
    leases = [] if foreign else leased(ledger, settings, config) if left else [Lease()]
    count = settings.workers if foreign else len(leases)
    size = f"{counted(len(study.cells), 'cell')}, {counted(study.total, 'trial')}, {done} done"
    print(f"{study.name} ({study.id}): {size}, {counted(count, 'worker')}")
    job = {"directory": str(ledger.directory), "session": ledger.session, "run_trial": run_trial, "tracking": parent}
    if foreign:
        _launch(hydra_context, config, WorkerJob(job, settings.timeout), count)
        return
    try:
        with View(study, done, count) as view:
            # A worker with a GPU is a process, also where it is the only one: torch is then imported after the lease.
            if count > 1 or (left and (settings.timeout or leases[0].locks)):
                make_pool(ledger, job, leases, settings.timeout, view).run()
            else:
                work(ledger, locate(run_trial), view.hear, parent)
    except SystemExit:  # Lightning's way of saying that Ctrl-C was pressed inside `fit`
        raise KeyboardInterrupt from None
    finally:
        for lease in leases:
            lease.release()


def leased(ledger: Ledger, settings: Settings, config: DictConfig) -> list[Lease]:
    """A lease for each worker on this machine; says so where trials do not use what they lease."""
    nodes = [ledger.composer.compose(cell.overrides).cfg.get("trainer") or {} for cell in ledger.study.cells]
    spread = [node["devices"] for node in nodes if isinstance(node.get("devices"), int)]
    leases = take(settings.workers, settings.per_gpu, max(spread, default=1), config.get("threads", 1))
    if leases[0].locks and all(node.get("accelerator") == "cpu" for node in nodes):
        print(
            "note: the workers lease GPUs, but trainer=cpu does not use them: add trainer=gpu, or hide the GPUs "
            "(CUDA_VISIBLE_DEVICES=) for one worker a core",
            file=sys.stderr,
        )
    return leases


def slots(study: Study) -> Iterator[tuple[Any, str, int]]:
    """Every (cell, phase, number) of a study."""
    for cell in study.cells:
        for phase in study.phases(cell):
            for number in range(study.count(cell, phase)):
                yield cell, phase, number


def make_pool(ledger: Ledger, job: dict[str, Any], leases: Sequence[Lease], timeout: float | None, view: View) -> Pool:
    """Local worker processes for a ledger's study."""

    def on_timeout(trial: dict[str, Any]) -> bool:
        if not ledger.record_timeout(trial["cell"], trial["phase"], trial["number"], timeout or 0):
            return False
        view.hear({**trial, "event": "finished", "status": "timeout", "error": f"over {timeout} s"})
        return True

    return Pool(job, leases, ledger.directory / "workers", view.hear, on_timeout, timeout)


@dataclass
class WorkerJob:
    """What a Hydra launcher runs: one supervised worker, wherever the launcher puts it."""

    job: dict[str, Any]
    timeout: float | None

    def __call__(self, cfg: DictConfig) -> None:
        """Work until the study is done; `cfg` is not looked at, a worker composes its own."""
        directory = Path(self.job["directory"])
        ledger = make_ledger(directory, session=self.job["session"])
        with View(ledger.study, 0) as view:
            make_pool(ledger, self.job, [Lease()], self.timeout, view).run()


def _launch(hydra_context: Any, config: DictConfig, task: WorkerJob, count: int) -> None:
    """Hand worker loops, not trials, to the launcher that the user chose."""
    from hydra.core.plugins import Plugins

    launcher = Plugins.instance().instantiate_launcher(hydra_context=hydra_context, task_function=task, config=config)
    for job in launcher.launch([[] for _ in range(count)], initial_job_idx=0):
        _ = job.return_value  # raises what the job raised
