"""Fitting: a module through Lightning's Trainer, and the status that it ends with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from regimens.core.build import make
from regimens.core.errors import Pruned

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.callbacks import BestWeights
    from regimens.training.module import RegimenModule
    from regimens.trial.task import Trial


def fit(module: "RegimenModule", trial: "Trial", split: "Split") -> tuple[str, "BestWeights"]:
    """Train; the status, and the weights at the lowest validation loss, which may be those that count."""
    from pytorch_lightning.callbacks import EarlyStopping
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from regimens.core.hashing import stream_seed
    from regimens.data.loader import Blocks, Chunks
    from regimens.training.callbacks import BestWeights, EpochEnd
    from regimens.training.module import Diverged
    from regimens.training.probes.lr_range import Finished

    best, tell = BestWeights(), module.group.together(trial.task.on_epoch)
    patience = module.regularization.patience
    stopping = [EarlyStopping("val/loss", patience=patience, check_finite=False)] if patience else []
    # A range test ends by itself; early stopping and pruning do not apply.
    watchers = [] if trial.settings.probe == "lr_range" else [best, *stopping, EpochEnd(tell)]
    train = Blocks(len(split.y_train), trial.spread.effective_batch, stream_seed(trial.settings.seed, "order"))
    valid = Blocks(len(split.y_valid), 1000, 0, block=1, shuffle=False)
    status = "completed"
    try:
        with quiet():
            with no_others_callbacks():
                trainer = make(
                    trial.config["trainer"],
                    max_epochs=sum(phase.epochs for phase in module.phases),
                    callbacks=watchers,
                    # Inside a SLURM job Lightning would take the job's tasks for ranks of this trial.
                    plugins=[LightningEnvironment()],
                    default_root_dir=str(trial.directory),
                )
            trainer.fit(module, train, Chunks(valid))
    except Finished:  # a range test is complete
        pass
    except Diverged:
        status = "diverged"
    except Pruned:
        status = "pruned"
    except SystemExit:
        # Lightning turns Ctrl-C inside `fit` into SystemExit; the caller handles KeyboardInterrupt.
        raise KeyboardInterrupt from None
    finally:
        module.release()
    settle(module, best, status, trial.settings.restore)
    return status, best


def settle(module: "RegimenModule", best: "BestWeights", status: str, restore: str) -> None:
    """Leave in the network the weights that count: averaged ones where they were judged, and of which epoch.

    That is the one with the lowest validation loss where `restore` is "best" or early stopping was on, whether or not
    it stopped; else the last. What diverged keeps what it came to.
    """
    actions, epochs = module.actions, len(module.history.get("epoch", ()))
    actions.kept = epochs
    if status in ("completed", "pruned"):
        actions.averaged = module.averaged.leave(module.net)
    if (restore == "best" or module.regularization.patience) and best.state and status == "completed":
        module.net.load_state_dict(best.state)
        actions.kept = best.epoch


@contextmanager
def no_others_callbacks() -> Iterator[None]:
    """Leave out the callbacks that installed packages offer to every trainer: a trial is what its configuration says.

    To look for them takes 20 ms a trial, too.
    """
    from pytorch_lightning.trainer.connectors import callback_connector as connector

    look = connector._load_external_callbacks
    connector._load_external_callbacks = lambda group: []
    try:
        yield
    finally:
        connector._load_external_callbacks = look


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's warnings about data loading and hardware that do not apply here."""
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
