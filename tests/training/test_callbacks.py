"""The best weights: those of the lowest validation loss, whatever came before it."""

import itertools
import math
from collections.abc import Sequence

import torch

from regimens.training.callbacks import BestWeights


def test_the_best_epoch_is_that_of_the_lowest_finite_loss() -> None:
    for losses in itertools.permutations([math.nan, math.inf, 2.0, 1.0, 3.0]):
        best = offered(losses)
        assert (best.loss, best.epoch) == (1.0, losses.index(1.0) + 1), losses
        assert int(best.state["epoch"]) == best.epoch


def test_a_trial_without_any_finite_loss_keeps_its_first_weights() -> None:
    best = offered([math.nan, math.inf, math.nan])
    assert (best.loss, best.epoch) == (math.inf, 1)


def offered(losses: Sequence[float]) -> BestWeights:
    """What is kept of a training with these validation losses."""
    best = BestWeights()
    for epoch, loss in enumerate(losses, 1):
        best.offer(loss, epoch, lambda epoch=epoch: {"epoch": torch.tensor(epoch)})  # type: ignore[misc]
    return best
