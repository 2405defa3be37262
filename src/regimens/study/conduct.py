"""Conducting a study, from a composed configuration to the exported table: the door that Hydra's sweeper knocks at."""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from regimens.errors import UserError
from regimens.provenance import training_code
from regimens.result import Result
from regimens.study.axes import read_command_line
from regimens.study.compose import Composer, Source
from regimens.study.definition import Study, define, differences
from regimens.study.launcher import Pool, worker_count
from regimens.study.live import View
from regimens.study.locks import Lock, held, is_held
from regimens.study.settings import Settings, read_settings
from regimens.study.worker import StudyStopped, locate, work

if TYPE_CHECKING:
    from regimens.study.ledger import Ledger

Show = Callable[[Result, Path], Any]
STORAGE_VARIABLE = "REGIMENS_STORAGE"  # a URL may hold a password, so workers get it from here and not from a file
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def sweep(hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str) -> list[Result]:
    """Run or resume the study that a command line asks for; returns its results.

    Raises:
        SystemExit: 1 if trials failed or the study had to stop, 2 for a user's mistake, 130 after Ctrl-C.
    """
    try:
        results = conduct(hydra_context, config, arguments, run_trial)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except StudyStopped as stop:
        print(f"error: {stop}; then resume with: {command()}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(f"\nstopped; resume with: {command()}", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        from regimens.study.disk import is_disk_full

        if not is_disk_full(error):
            raise
        print(f"error: the disk is full ({error}); make space, then resume with: {command()}", file=sys.stderr)
        raise SystemExit(1) from None
    from regimens.study.ledger import BROKEN

    if any(result.status in BROKEN for result in results):
        raise SystemExit(1)
    return results


def conduct(hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str) -> list[Result]:
    """`sweep` without the exit statuses."""
    node = OmegaConf.to_container(config.study, resolve=True) if config.get("study") is not None else {}
    settings = read_settings(node)  # type: ignore[arg-type]
    source = Source(
        config_name=config.hydra.job.config_name,
        search_path=tuple((one.provider, one.path) for one in hydra_context.config_loader.get_search_path().get_path()),
        hydra_overrides=tuple(config.hydra.overrides.hydra),
    )
    composer = Composer(source)
    name = str(config.hydra.runtime.choices.get("study") or "adhoc")
    study = define(
        settings,
        read_command_line(arguments),
        composer,
        name=name,
        tune=config.get("tune"),
        data_hash=lambda cfg: data_hash(cfg, run_trial),
        code_hash=training_code(),
    )
    directory = Path(config.paths.runs).absolute() / study.key
    _settle_definition(study, directory)
    if settings.recover:
        _recover(study, directory)
    os.environ.pop(STORAGE_VARIABLE, None)
    if settings.storage:
        os.environ[STORAGE_VARIABLE] = settings.storage
    if settings.retry_failed:
        count = make_ledger(directory, study=study, composer=composer).retry_broken()
        print(f"{study.name}: {count} broken trials get one more attempt")
    from regimens.study.export import export

    with _session(directory) as session, tracking(config, study) as (parent, show, files):
        ledger = make_ledger(directory, session=session, study=study, composer=composer)
        _train(ledger, settings, config, hydra_context, run_trial, parent)
        results, table, paths = export(study, directory, Path(config.paths.results))
        files |= {path.name: path for path in paths}
        for (cell, phase, number), result in zip(slots(study), results, strict=True):
            show(result, ledger.place(cell, phase, number))  # what a dead worker could not show
    _report(study, table, results, paths)
    return results


def _train(
    ledger: Ledger, settings: Settings, config: DictConfig, hydra_context: Any, run_trial: str, parent: str | None
) -> None:
    count, devices = worker_count(settings.workers, settings.per_gpu)
    study = ledger.study
    done = sum((ledger.place(c, p, n) / "result.json").exists() for c, p, n in slots(study))
    print(f"{study.name} ({study.id}): {len(study.cells)} cells, {study.total} trials, {done} done, {count} workers")
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


def make_ledger(
    directory: Path,
    *,
    session: str = "alone",
    worker: str = "0",
    study: Study | None = None,
    composer: Composer | None = None,
) -> Ledger:
    """The ledger of the study in `directory`; without `study`, the one that `study.json` there describes."""
    from regimens.study.ledger import Ledger
    from regimens.study.storage import open_storage

    study = study or Study.load(directory / "study.json")
    composer = composer or Composer(study.source)
    return Ledger(
        study, directory, open_storage(os.environ.get(STORAGE_VARIABLE), directory), composer, session, worker
    )


def _settle_definition(study: Study, directory: Path) -> None:
    """Write the definition down, once; refuse another one under the same explicit name."""
    if study.explicit_name:
        for other in sorted(directory.parent.glob(f"{study.name}-{'[0-9a-f]' * 8}/study.json")):
            old = Study.load(other)
            if old.explicit_name and old.id != study.id:
                lines = differences(old.identity, study.identity)
                shown = "\n  ".join(lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else []))
                raise UserError(
                    f"study.name={study.name}: {other.parent} holds a study of this name with another definition; "
                    f"choose another name, or undo these changes (old -> new):\n  {shown}"
                )
    with held(directory / "locks" / "definition.lock"):
        if not (directory / "study.json").exists():
            study.save(directory)
        else:
            study.cells = Study.load(directory / "study.json").cells  # with the list drawn when it was created


def _recover(study: Study, directory: Path) -> None:
    from regimens.study.storage import set_aside

    for lock in (directory / "locks").glob("session-*.lock"):
        if is_held(lock):
            raise UserError(f"study.recover: a command still works on {study.key}; stop it first")
    if aside := set_aside(directory):
        print(f"{study.name}: the journal went to {aside.name}; it is rebuilt from the finished trials' result.json")


@contextlib.contextmanager
def _session(directory: Path) -> Iterator[str]:
    """A name for this command's life; its lock tells others that it lives."""
    session = uuid.uuid4().hex[:12]
    path = directory / "locks" / f"session-{session}.lock"
    lock = Lock(path)
    lock.acquire()
    try:
        yield session
    finally:
        path.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def tracking(config: DictConfig, study: Study) -> Iterator[tuple[str | None, Show, dict[str, Path]]]:
    """The study's run in the tracker: opened before any worker starts, closed with how the study ended."""
    from regimens.build import build

    files: dict[str, Path] = {}
    if config.get("tracking") is None:
        yield None, lambda result, directory: None, files
        return
    room = build(OmegaConf.to_container(config.tracking, resolve=True))  # type: ignore[arg-type]
    parent = room.open({"name": study.name, "id": study.id, "question": study.question})
    try:
        yield parent, lambda result, directory: room.log(result, directory, parent), files
    except BaseException:
        room.close(parent, "KILLED")
        raise
    room.close(parent, "FINISHED", files)


def data_hash(cfg: DictConfig, run_trial: str) -> str | None:
    """The hash of the data that a configuration names; loading it here also prepares it before any worker starts."""
    load = getattr(importlib.import_module(run_trial.rpartition(".")[0]), "load_data", None)
    return load(OmegaConf.to_container(cfg, resolve=True)).manifest["hash"] if load else None


def _report(study: Study, table: dict[str, Any], results: Sequence[Result], files: Sequence[Path]) -> None:
    """Print the table, best first, and the last line: how many of each."""
    from regimens.study.summary import print_summary

    print_summary(study, table)
    counts = sorted(Counter(result.status for result in results).items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join(f"{number} {status}" for status, number in counts)
    print(f"{study.name} ({study.id}): {len(results)} trials: {told}; see {files[0]}")


def command() -> str:
    """The command of this process, to be copied."""
    from regimens.study.storage import redact

    script = sys.argv[0]
    with contextlib.suppress(ValueError):
        script = str(Path(script).relative_to(Path.cwd()))
    return redact(shlex.join(["python", script, *sys.argv[1:]]))
