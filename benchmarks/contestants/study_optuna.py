"""Optuna over stock Lightning, after its Lightning example: argv = folder directory processes.

One process has all the threads that it wants. Of two that share a journal each has one thread, which is what two cores
do best. Grid sampler.
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
    folder, directory, processes = sys.argv[1:]
    if processes != "1":
        torch.set_num_threads(1)
    storage = JournalStorage(JournalFileBackend(str(Path(directory) / "journal.log")))
    sampler = optuna.samplers.GridSampler({"optimizer": list(OPTIMIZERS), "lr": RATES}, seed=0)
    study = optuna.create_study(
        study_name="race", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
    )
    second = [sys.executable, sys.argv[0], folder, directory, "second"]
    other = subprocess.Popen(second) if processes == "2" else None
    # Two grid samplers may draw one cell twice at the end, and then stop by themselves.
    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(len(OPTIMIZERS) * len(RATES), states=None)])
    if other is not None:
        other.wait()
