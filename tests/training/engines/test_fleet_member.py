"""A member of a fleet: it leaves when it would have ended on its own."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping

from regimens.training.engines.fleet import Member

LOSSES = (math.nan, math.inf, 1.0, 2.0)


def member(patience: int) -> Member:
    """A member whose module only says what it is told."""

    def close_epoch(epoch: int, sums: Any, valid: tuple[float, float], seconds: float) -> dict[str, float]:
        return {"val/loss": valid[0]}

    module: Any = SimpleNamespace(
        close_epoch=close_epoch, regularization=SimpleNamespace(patience=patience), history={"val/loss": [0.0]}
    )
    order: Any = ()
    return Member(module, order, lambda epoch, numbers: None)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_member_stops_early_in_the_epoch_in_which_lightning_would(patience: int) -> None:
    for losses in itertools.product(LOSSES, repeat=5):
        ours, theirs = member(patience), EarlyStopping("val/loss", patience=patience, check_finite=False)
        for epoch, loss in enumerate(losses):
            ours.close_epoch(epoch, [], (loss, 0.0), 0.0, lambda epoch=epoch: {"epoch": torch.tensor(epoch)})
            stop, _ = theirs._evaluate_stopping_criteria(torch.tensor(loss))
            assert (ours.status == "completed") == stop, losses[: epoch + 1]
            if stop:
                break
