"""Who trains a study: this process, processes of ours on this machine, or jobs of the chosen Hydra launcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from regimens.study.definition import Study
from regimens.study.launcher import Pool, worker_count
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
    count, devices = worker_count(settings.workers, settings.per_gpu)
    study = ledger.study
    done = sum((ledger.place(c, p, n) / "result.json").exists() for c, p, n in slots(study))
    size = f"{counted(len(study.cells), 'cell')}, {counted(study.total, 'trial')}, {done} done"
    print(f"{study.name} ({study.id}): {size}, {counted(count, 'worker')}")
    if done == study.total:
        count = 1  # only the ledger is left to be written
    job = {"directory": str(ledger.directory), "session": ledger.session, "run_trial": run_trial, "tracking": parent}
    foreign = config.hydra.launcher._target_ != BASIC_LAUNCHER
    if foreign and done < study.total:
        _launch(hydra_context, config, WorkerJob(job, settings.timeout), count)
        return
    with View(study, done, count) as view:
        if count > 1 or (settings.timeout and done < study.total):
            make_pool(ledger, job, count, devices, settings.timeout, view).run()
            return
        try:
            work(ledger, locate(run_trial), view.hear, parent)
        except SystemExit:  # Lightning's way of saying that Ctrl-C was pressed inside `fit`
            raise KeyboardInterrupt from None


def slots(study: Study) -> Iterator[tuple[Any, str, int]]:
    """Every (cell, phase, number) of a study."""
    for cell in study.cells:
        for phase in study.phases(cell):
            for number in range(study.count(cell, phase)):
                yield cell, phase, number


def make_pool(
    ledger: Ledger, job: dict[str, Any], count: int, devices: Sequence[str | None], timeout: float | None, view: View
) -> Pool:
    """Local worker processes for a ledger's study."""

    def on_timeout(trial: dict[str, Any]) -> bool:
        if not ledger.record_timeout(trial["cell"], trial["phase"], trial["number"], timeout or 0):
            return False
        view.hear({**trial, "event": "finished", "status": "timeout", "error": f"over {timeout} s"})
        return True

    return Pool(job, count, ledger.directory / "workers", view.hear, on_timeout, timeout, devices)


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
            make_pool(ledger, self.job, 1, (), self.timeout, view).run()


def _launch(hydra_context: Any, config: DictConfig, task: WorkerJob, count: int) -> None:
    """Hand worker loops, not trials, to the launcher that the user chose."""
    from hydra.core.plugins import Plugins

    launcher = Plugins.instance().instantiate_launcher(hydra_context=hydra_context, task_function=task, config=config)
    for job in launcher.launch([[] for _ in range(count)], initial_job_idx=0):
        _ = job.return_value  # raises what the job raised
