"""One trial: a composed configuration in, a trained network and its `result.json` out."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.advice import advise
from regimens.artifacts import save, save_inputs
from regimens.composition import compose, engine_of, load_data
from regimens.composition import look_at_data as look_at_data  # a study asks whoever runs its trials
from regimens.errors import UserError
from regimens.evaluation import acted, evaluate, probed
from regimens.fitting import fit
from regimens.heavy import bring
from regimens.provenance import provenance
from regimens.result import Result, write
from regimens.settings import Settings, read_settings

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from regimens.data.split import Split
    from regimens.training.callbacks import BestWeights
    from regimens.training.ddp import Spread
    from regimens.training.module import Regimen

# What a regimen is not: which run it is, where it lies, who watches, and what is only looked at.
NOT_REGIMEN = ("seed", "name", "paths", "tracking", "study", "tune", "test", "advice", "probe", "hydra")
GROUPS = (
    *("data", "task", "model", "init", "activation", "norm", "regularization"),
    *("clip", "optimizer", "scheduler", "transfer", "trainer"),
)
# What training takes, whatever the regimen.
HEAVY = ("torch", "pytorch_lightning")

OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass
class Clock:
    """Seconds spent in each stage of a trial."""

    durations: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time spent inside towards `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.durations[stage] = self.durations.get(stage, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Task:
    """What is asked for: see `run`. What has no directory is trained as others' company, and leaves nothing."""

    cfg: "DictConfig"
    directory: Path | None
    choices: Mapping[str, str]
    study: Mapping[str, Any] | None = None
    on_epoch: OnEpoch = lambda epoch, numbers: None


@dataclass
class Trial:
    """One trial under way."""

    task: Task
    config: dict[str, Any]
    settings: Settings
    spread: "Spread"
    advice: list[str]
    started: str
    clock: Clock = field(default_factory=Clock)

    @property
    def directory(self) -> Path:
        """Where it leaves what it leaves; company has none."""
        assert self.task.directory is not None
        return self.task.directory


def run(
    cfg: "DictConfig",
    directory: Path,
    *,
    choices: Mapping[str, str],
    study: Mapping[str, Any] | None = None,
    on_epoch: OnEpoch = lambda epoch, numbers: None,
    note: str = "",
) -> Result:
    """Train one regimen with one seed and write `config.yaml`, weights and `result.json` into `directory`.

    `choices` maps each config group to its option. `on_epoch(epoch, numbers)` is called after each epoch and may raise
    Pruned. `note` says why not even a fleet of one trains it, if `engine=fleet` asks for one. A loss that is not finite
    gives the status "diverged", not an exception. Raises UserError for a value that makes no sense, and whatever else
    goes wrong.
    """
    from regimens import ranks

    task = Task(cfg, Path(directory), choices, study, on_epoch)
    if cfg.engine == "fleet" and not note:
        return the_one(run_fleet([task]))
    trial = begin(task)
    if trial.spread.devices > 1:
        if trial.settings.probe == "lr_range":
            raise UserError("probe=lr_range: the range test runs on one device; leave trainer=ddp out")
        return ranks.run(trial.config, Path(directory), choices=choices, study=study, on_epoch=on_epoch)
    return train(trial, note)


def the_one(outcomes: Sequence[Result | Exception | None]) -> Result:
    """The result of a fleet of one. Raises what the trial raised."""
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None
    return outcome


def train(trial: Trial, note: str = "") -> Result:
    """`run` in this process, which may be one of several ranks; all but rank 0 exit where training ends."""
    from regimens.training.compiled import Eager

    settings = trial.settings
    with sandbox(settings):
        with trial.clock("setup"):
            split = load_data(trial.config)
            module = compose(trial.config, settings, trial.spread, split)
            if note:
                module.engine = Eager(note)
        with trial.clock("train"):
            status, best = fit(module, trial, split)
            module.group.end()
        result = conclude(trial, module, split, status, best, engine_of(module))
    write(result, trial.directory)
    return result


def run_fleet(tasks: Sequence[Task], journal: Path | None = None) -> list[Result | Exception | None]:
    """Train regimens together where they are of one shape; each one's result, or what went wrong with it.

    With `journal`, a file to be, the results of those that were trained together appear together: a process that dies
    leaves all or none of them, or the journal with which `result.finish_together` completes them.
    """
    bring(*HEAVY)
    from regimens.fleet import run_together

    return run_together(tasks, journal)


def begin(task: Task) -> Trial:
    """Read and check what is asked for, and make its directory. Raises UserError."""
    bring(*HEAVY)
    from regimens.training.ddp import read_spread

    config = plain(task.cfg)
    settings = read_settings(config)
    spread = read_spread(config["trainer"], settings.batch_size)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    advice = given_advice(settings, task.choices, config)
    if task.directory is not None:
        task.directory.mkdir(parents=True, exist_ok=True)
    return Trial(task, config, settings, spread, advice, started)


def conclude(
    trial: Trial, module: "Regimen", split: "Split", status: str, best: "BestWeights", engine: Mapping[str, Any]
) -> Result:
    """The result of a trained module, not yet written; its other files are, into the trial's directory."""
    config, settings, choices, directory = trial.config, trial.settings, trial.task.choices, trial.directory
    with trial.clock("evaluate"):
        metrics = evaluate(module, split, settings, status)
        save(module, best, config, directory)
        save_inputs(split, directory)
    regimen = regimen_of(config)
    durations = trial.clock.durations
    return Result(
        status=status,
        name=settings.name,
        seed=settings.seed,
        regimen=regimen,
        regimen_hash=digest(regimen),
        choices={group: choices.get(group, "?") for group in GROUPS},
        study=dict(trial.task.study) if trial.task.study else None,
        metrics={**metrics, "time/train": durations["train"]},
        history={name: list(values) for name, values in module.history.items()},
        acted=acted(module, choices, settings, split, status),
        advice=trial.advice,
        **probed(module),
        durations=durations,
        provenance={
            **provenance(),
            "data": split.manifest,
            "threads": settings.threads,
            **engine,
            **trial.spread.describe(),
            "started": trial.started,
        },
    )


def plain(cfg: "DictConfig") -> dict[str, Any]:
    """The configuration as plain containers, every interpolation resolved."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def unfinished(
    cfg: "DictConfig",
    *,
    choices: Mapping[str, str],
    status: str,
    study: Mapping[str, Any] | None = None,
    error: BaseException | None = None,
) -> Result:
    """The record of a trial that did not get to its end: what was asked, what stopped it, and no numbers."""
    import traceback

    config = plain(cfg)
    regimen = regimen_of(config)
    described = None
    if error is not None:
        lines = traceback.format_exception(error)
        described = {"type": type(error).__name__, "message": str(error), "traceback": "".join(lines)}
    return Result(
        status=status,
        name=str(config["name"]),
        seed=int(config["seed"]),
        regimen=regimen,
        regimen_hash=digest(regimen),
        choices={group: choices.get(group, "?") for group in GROUPS},
        study=dict(study) if study else None,
        provenance={**provenance(), "started": datetime.now(UTC).isoformat(timespec="seconds")},
        error=described,
    )


def given_advice(settings: Settings, choices: Mapping[str, str], config: Mapping[str, Any]) -> list[str]:
    """The advice for this regimen, unless it is off; raises UserError where `advice=error` and there is any."""
    advice = [] if settings.advice == "off" else advise(choices, config)
    if advice and settings.advice == "error":
        raise UserError(f"advice=error: {'; '.join(advice)}")
    return advice


def regimen_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that says how to train and on what: no seed, no place on this machine."""
    regimen = {key: value for key, value in config.items() if key not in NOT_REGIMEN}
    if config.get("probe") == "lr_range":  # this one trains otherwise
        regimen["probe"] = "lr_range"
    regimen["data"] = {key: value for key, value in config["data"].items() if key not in ("dir", "cache")}
    return regimen


def digest(value: Any) -> str:
    """The SHA-256 of plain values in canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def sandbox(settings: Settings) -> Iterator[None]:
    """Threads and the global random stream (of dropout's keys) are the trial's inside, and as before outside."""
    import torch

    from regimens.training.seeds import derive

    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(derive(settings.seed, "noise"))
            yield
    finally:
        torch.set_num_threads(threads)
