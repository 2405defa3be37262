"""Optuna over stock Lightning, after its Lightning example; two processes share a journal: argv = folder directory.

Grid sampler, one thread a process, since two at once is what two cores do best.
"""

import subprocess
import sys
import warnings
from pathlib import Path

import optuna
import pytorch_lightning as pl
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from stock_lightning import OPTIMIZERS, Classifier, loaders
from turns import EPOCHS, RATES


def objective(trial: optuna.Trial) -> float:
    """Train one trial; its validation accuracy."""
    train, valid = loaders(sys.argv[1])
    trainer = pl.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", devices=1, logger=True, enable_checkpointing=False,
        default_root_dir=sys.argv[2],
    )  # fmt: skip
    model = Classifier(trial.suggest_categorical("optimizer", list(OPTIMIZERS)), trial.suggest_categorical("lr", RATES))
    trainer.fit(model, train, valid)
    return trainer.callback_metrics["val_accuracy"].item()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    storage = JournalStorage(JournalFileBackend(str(Path(sys.argv[2]) / "journal.log")))
    sampler = optuna.samplers.GridSampler({"optimizer": list(OPTIMIZERS), "lr": RATES}, seed=0)
    study = optuna.create_study(
        study_name="race", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
    )
    other = None if "second" in sys.argv else subprocess.Popen([sys.executable, *sys.argv, "second"])
    # Two grid samplers may draw one cell twice at the end, and then stop by themselves.
    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(len(OPTIMIZERS) * len(RATES), states=None)])
    if other is not None:
        other.wait()
