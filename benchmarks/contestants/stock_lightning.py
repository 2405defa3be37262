"""Lightning as its tutorials write it: DataLoader, torchmetrics logged per step, progress bar: argv = folder case."""

import sys
import warnings
from functools import partial

import compiled_loop
import pytorch_lightning as pl
import torch
import torchmetrics
from raw_loop import network
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from turns import BATCH, L2, MAX_NORM, arrays, serve

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "adamw": torch.optim.AdamW,
}


class Classifier(pl.LightningModule):
    """The notes' network, or another one, its loss and its accuracy."""

    def __init__(
        self, optimizer: str, lr: float, regularised: bool = False, net: torch.nn.Sequential | None = None
    ) -> None:
        super().__init__()
        self.optimizer, self.lr, self.regularised = optimizer, lr, regularised
        self.net = net or network(regularised)
        self.kernels = [layer.weight for layer in self.net if isinstance(layer, torch.nn.Linear)]
        self.accuracy = torch.nn.ModuleDict(
            {f"{part}_": torchmetrics.Accuracy("multiclass", num_classes=10) for part in ("train", "val")}
        )

    def _step(self, batch: list[torch.Tensor], part: str) -> torch.Tensor:
        x, y = batch
        logits = self.net(x)
        loss = F.cross_entropy(logits, y)
        if self.regularised:
            loss = loss + L2 * sum(w.square().sum() for w in self.kernels)
        self.accuracy[f"{part}_"](logits, y)
        self.log(f"{part}_loss", loss, prog_bar=True)
        self.log(f"{part}_accuracy", self.accuracy[f"{part}_"], prog_bar=True)
        return loss

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:  # noqa: D102
        return self._step(batch, "train")

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:  # noqa: D102
        self._step(batch, "val")

    def on_train_batch_end(self, *args: object) -> None:  # noqa: D102
        if self.regularised:
            with torch.no_grad():
                for w in self.kernels[:-1]:
                    w.copy_(torch.renorm(w, 2, 0, MAX_NORM))

    def configure_optimizers(self) -> torch.optim.Optimizer:  # noqa: D102
        return OPTIMIZERS[self.optimizer](self.parameters(), lr=self.lr)


def loaders(folder: str) -> tuple[DataLoader, DataLoader]:
    """Training and validation, as `fit` takes them."""
    x, y, x_valid, y_valid = (torch.from_numpy(part) for part in arrays(folder))
    train = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    return train, DataLoader(TensorDataset(x_valid, y_valid), batch_size=BATCH)


if __name__ == "__main__":
    folder, case = sys.argv[1:]
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    train, valid = loaders(folder)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    which = ("nadam", 0.001) if case == "nadam" else ("sgd", 0.01)

    def epoch() -> None:
        """A fit of one epoch."""
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, num_sanity_val_steps=0, **quiet)
        net = compiled_loop.network() if case == "cnn" else None
        trainer.fit(Classifier(*which, case == "regularised", net), train, valid)

    serve(epoch)
