"""The composition root: a composed configuration in, one trained trial with its `result.json` out."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens import engines
from regimens.advice import advise
from regimens.artifacts import save, save_inputs
from regimens.build import build, explained, make
from regimens.errors import Pruned, UserError
from regimens.evaluation import acted, evaluate, probed
from regimens.provenance import provenance
from regimens.result import Result, write
from regimens.settings import Settings, read_settings

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from regimens.data.split import Split
    from regimens.training.callbacks import BestWeights
    from regimens.training.compiled import Engine
    from regimens.training.ddp import Spread
    from regimens.training.module import Regimen

# What a regimen is not: which run it is, where it lies, who watches, and what is only looked at.
NOT_REGIMEN = ("seed", "name", "paths", "tracking", "study", "tune", "test", "advice", "probe", "hydra")
GROUPS = (
    *("data", "task", "model", "init", "activation", "norm", "regularization"),
    *("clip", "optimizer", "scheduler", "transfer", "trainer"),
)

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
    Pruned. `note` says why it is in no fleet, if it was to be in one. A loss that is not finite gives the status
    "diverged", not an exception. Raises UserError for a value that makes no sense, and whatever else goes wrong.
    """
    from regimens import ranks

    trial = begin(Task(cfg, Path(directory), choices, study, on_epoch))
    if trial.spread.devices > 1:
        if trial.settings.probe == "lr_range":
            raise UserError("probe=lr_range: the range test runs on one device; leave trainer=ddp out")
        return ranks.run(trial.config, Path(directory), choices=choices, study=study, on_epoch=on_epoch)
    return train(trial, note)


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
    """Train many regimens together where they are of one shape; each one's result, or what went wrong with it.

    With `journal`, a file to be, the results of those that were trained together appear together: a process that dies
    leaves all or none of them, or the journal with which `result.finish_together` completes them.
    """
    from regimens.fleet import run_together

    return run_together(tasks, journal)


def begin(task: Task) -> Trial:
    """Read and check what is asked for, and make its directory; nothing heavy. Raises UserError."""
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
    """Threads and the global random stream (dropout draws from it) are the trial's inside, and as before outside."""
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


def load_data(config: Mapping[str, Any], **task: Any) -> "Split":
    """The tensors of the configured task; `task` replaces some of its keys."""
    from regimens.data import load

    return load(**_task(config, task))


def look_at_data(config: Mapping[str, Any]) -> tuple[str, engines.Size]:
    """The hash of the configured task's data, and what they make of a network.

    They are prepared and looked at for it, though not made into tensors.
    """
    from regimens.data import cut

    found = cut(**_task(config, {}))
    size = engines.Size(found.manifest["sizes"]["train"], found.n_inputs, found.n_outputs)
    return str(found.manifest["hash"]), size


def _task(config: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """What `data.cut` has to know."""
    from regimens.data import SPLIT_KEYS

    node = dict(config["data"])
    split = {key: node.pop(key) for key in SPLIT_KEYS if key in node}
    name = node["name"]
    source = build({**node, "_partial_": True})
    return {
        "source": source, "dataset": name, "directory": config["paths"]["data"],
        **split, **config["task"], **task,
    }  # fmt: skip


def compose(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "Regimen":
    """The LightningModule that the configuration describes, initialised from the seed's own stream."""
    import torch

    from regimens.training import losses, lr_range
    from regimens.training.gradient_flow import GradientFlow, NoProbe
    from regimens.training.module import Regimen
    from regimens.training.phases import Phase
    from regimens.training.schedules import Schedule
    from regimens.training.seeds import derive

    transfer = make(config["transfer"])
    regularization = make(config["regularization"])
    generator = torch.Generator().manual_seed(derive(settings.seed, "init"))
    model = {**config["model"], "hidden": transfer.hidden(config["model"]["hidden"])}
    net = make(
        model,
        n_inputs=split.n_inputs,
        n_outputs=split.n_outputs,
        init=build(config["init"]),
        activation=build(config["activation"]),
        norm=make(config["norm"]),
        regularization=regularization,
        generator=generator,
    )
    probe = {"none": NoProbe, "gradients": GradientFlow, "lr_range": lr_range.RangeTest}[settings.probe]()
    optimizer, scheduler = build(config["optimizer"]), build(config["scheduler"])
    pace = {key: config["scheduler"][key] for key in ("interval", "warmup") if key in config["scheduler"]}
    steps, phases = math.ceil(len(split.y_train) / spread.effective_batch), transfer.phases(settings.epochs)
    if settings.probe == "lr_range":  # in place of the regimen's own schedule, epochs and freezing
        scheduler, pace, phases = lr_range.growing, {"interval": "step"}, [Phase(lr_range.epochs_needed(steps))]

    def make_optimizer(parameters: list[torch.Tensor], lr: float | None) -> torch.optim.Optimizer:
        with explained(config["optimizer"]):
            return optimizer(parameters) if lr is None else optimizer(parameters, lr=lr)

    def make_schedule(optimizer: torch.optim.Optimizer, epochs: int) -> Schedule:
        with explained(config["scheduler"]):
            return Schedule(optimizer, scheduler, **pace, steps_per_epoch=steps, epochs=epochs)

    # A network that learns without labels sees all of task B's images, not the few that are labelled.
    unlabelled = load_data(config, b_train=None).x_train if transfer.needs_unlabelled else split.x_train[:0]
    transfer.prepare(net, unlabelled, make_optimizer, derive(settings.seed, "transfer"))
    return Regimen(
        net,
        train=(split.x_train, split.y_train),
        valid=(split.x_valid, split.y_valid),
        objective=losses.binary() if split.binary else losses.multiclass(),
        make_optimizer=spread.scaled(make_optimizer),
        make_schedule=make_schedule,
        clip=make(config["clip"]),
        regularization=regularization,
        phases=phases,
        probe=probe,
        engine=engine(config, settings, spread, split),
        group=spread.group,
    )


def engine(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "Engine":
    """The engine asked for; "auto" is this trial's own, as a study sets its trials' when it is defined."""
    from regimens.training.compiled import Compiled, Eager

    if spread.devices > 1:
        return Eager("" if settings.engine == "eager" else "a trial on several devices steps eagerly")
    size = engines.Size(len(split.y_train), split.n_inputs, split.n_outputs)
    if engines.choose(config, size, trials=1) == "compiled":
        return Compiled(Path(config["paths"]["root"]) / "cache" / "compiled")
    return Eager("a single trial is no fleet" if settings.engine == "fleet" else "")


def engine_of(module: "Regimen") -> dict[str, str]:
    """The engine that ran, and why it is not the one asked for."""
    note = {"engine_note": module.engine.note} if module.engine.note else {}
    return {"engine": module.engine.name, **note}


def fit(module: "Regimen", trial: Trial, split: "Split") -> tuple[str, "BestWeights"]:
    """Train; the status, and the weights at the lowest validation loss, which early stopping restores."""
    from pytorch_lightning.callbacks import EarlyStopping
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from regimens.data.loader import Blocks, Chunks
    from regimens.training.callbacks import BestWeights, EpochEnd
    from regimens.training.lr_range import Finished
    from regimens.training.module import Diverged
    from regimens.training.seeds import derive

    best, tell = BestWeights(), module.group.together(trial.task.on_epoch)
    patience = module.regularization.patience
    stopping = [EarlyStopping("val/loss", patience=patience, check_finite=False)] if patience else []
    # A range test ends by itself, and nobody is to judge it by its epochs.
    watchers = [] if trial.settings.probe == "lr_range" else [best, *stopping, EpochEnd(tell)]
    train = Blocks(len(split.y_train), trial.spread.effective_batch, derive(trial.settings.seed, "order"))
    valid = Blocks(len(split.y_valid), 1000, 0, block=1, shuffle=False)
    status = "completed"
    try:
        with quiet():
            trainer = make(
                trial.config["trainer"],
                max_epochs=sum(phase.epochs for phase in module.phases),
                callbacks=watchers,
                # Inside a SLURM job Lightning would take the job's tasks for the ranks of this one trial.
                plugins=[LightningEnvironment()],
                default_root_dir=str(trial.directory),
            )
            trainer.fit(module, train, Chunks(valid))
    except Finished:
        pass
    except Diverged:
        status = "diverged"
    except Pruned:
        status = "pruned"
    except SystemExit:
        # Lightning turns Ctrl-C inside `fit` into this, which would hide what happened from whoever runs the trials.
        raise KeyboardInterrupt from None
    finally:
        module.release()
    restore_best(module, best, status)
    return status, best


def restore_best(module: "Regimen", best: "BestWeights", status: str) -> None:
    """Early stopping ends with the weights at the lowest validation loss, whether or not it stopped early."""
    if module.regularization.patience and best.state and status == "completed":
        module.net.load_state_dict(best.state)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says of our own data loading and of this machine: there is nothing to be done about it."""
    import logging
    import warnings

    talkers = ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda")
    loggers = [logging.getLogger(name) for name in (*talkers, "lightning_fabric.utilities.distributed")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*does not have many workers.*")
            warnings.filterwarnings("ignore", r".*`tensorboardX`.*")
            warnings.filterwarnings("ignore", r".*`self.log\(.* sync_dist=True.*")
            warnings.filterwarnings("ignore", r".*No device id is provided.*")
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\).*")
            warnings.filterwarnings("ignore", r".*GPU available but not used.*")
            warnings.filterwarnings("ignore", r".*`srun` command is available.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
