"""Ray Tune over stock Lightning, as its Lightning guide does, two trials at once: argv = folder directory."""

import sys
import warnings
from typing import Any

import pytorch_lightning as pl
import ray
import torch
from ray import tune
from stock_lightning import OPTIMIZERS, Classifier, loaders
from turns import EPOCHS, RATES


class Report(pl.Callback):
    """Tells Tune each epoch's validation accuracy."""

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:  # noqa: D102
        if not trainer.sanity_checking:
            tune.report({"val_accuracy": trainer.callback_metrics["val_accuracy"].item()})


def train(config: dict[str, Any]) -> None:
    """Train one trial."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    parts = loaders(config["folder"])
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "logger": False}
    trainer = pl.Trainer(max_epochs=EPOCHS, accelerator="cpu", devices=1, callbacks=[Report()], **quiet)
    trainer.fit(Classifier(config["optimizer"], config["lr"]), *parts)


if __name__ == "__main__":
    folder, directory = sys.argv[1:]
    ray.init(num_cpus=2, include_dashboard=False)
    space = {"folder": folder, "optimizer": tune.grid_search(list(OPTIMIZERS)), "lr": tune.grid_search(RATES)}
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=directory, verbose=1),
    )
    results = tuner.fit()
    if len(results) != len(OPTIMIZERS) * len(RATES) or results.errors:
        sys.exit(f"{len(results)} results, errors: {results.errors}")
