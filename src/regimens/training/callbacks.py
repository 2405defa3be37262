"""Lightning callbacks: keep the best weights in memory, and report each epoch to a function."""

import math
from collections.abc import Callable, Mapping, Sequence

import pytorch_lightning as pl
from torch import Tensor, nn

from regimens.training.group import Tell


class BestWeights(pl.Callback):
    """Keeps a copy of the judged network's state at the lowest validation loss so far (strictly lower, as in Keras)."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.epoch = 0
        self.state: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Copy the state where the loss improved."""
        if not trainer.sanity_checking:
            net: nn.Module = module.judged  # type: ignore[assignment]
            loss = float(trainer.callback_metrics["val/loss"])
            self.offer(
                loss, trainer.current_epoch + 1, lambda: {k: v.detach().clone() for k, v in net.state_dict().items()}
            )

    def offer(self, loss: float, epoch: int, state: Callable[[], dict[str, Tensor]]) -> None:
        """Take `state()`, a copy, where the loss improved in epoch `epoch` (from 1)."""
        if loss < self.loss or not self.state:
            # If the first loss is NaN, `min` in this order returns the infinite start value, so that a later loss wins.
            self.loss, self.epoch, self.state = min(self.loss, loss), epoch, state()


class EpochEnd(pl.Callback):
    """Calls `tell(epoch, numbers)` after each epoch's validation; what it raises ends the trial (Pruned, say)."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Pass on the newest entry of the history."""
        if not trainer.sanity_checking:
            self.tell(trainer.current_epoch + 1, newest(module.history))  # type: ignore[arg-type]


def newest(history: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The last epoch's numbers."""
    return {name: values[-1] for name, values in history.items()}
