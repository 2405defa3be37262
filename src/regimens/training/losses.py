"""Losses, each with what a network for it is measured by in every epoch: accuracy, or the root of the squared error.

A loss is given what it is for (`Goal`) and answers with an `Objective`. Cross-entropy is as tf.keras computes it
(docs/reference/parity.md, section 8).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from regimens.core.errors import UserError

ACCURACY, RMSE = "accuracy", "rmse"
PairLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """`loss(outputs, y)`: mean over samples; `score(outputs, y)`: (N,) whether each is right, or its squared error.

    `measure` names what the mean score becomes. `own`: why compiled code and fleets cannot step it; empty where they
    can, which takes one object for one objective.
    """

    loss: PairLoss
    score: PairLoss
    measure: str = ACCURACY
    own: str = ""

    def total(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The sum of the scores, 0-dim: how many predictions are right, say."""
        return self.score(outputs, y).sum()

    def measured(self, mean: float) -> float:
        """The measure, of the mean score."""
        return math.sqrt(mean) if self.measure == RMSE and mean >= 0 else mean


@dataclass(frozen=True)
class Goal:
    """What is to be learnt: classes, with how many training examples each has, or quantities.

    Labels of classes are int64 (N,), or float 0 and 1 where `binary`, for (N, 1) logits; quantities are standardised,
    (N, quantities), and `std` are their standard deviations.
    """

    counts: tuple[int, ...] = ()
    binary: bool = False
    std: tuple[float, ...] = ()


class Loss(Protocol):
    """An option of the group `loss`."""

    def objective(self, goal: Goal) -> Objective:
        """The loss of this goal; raises UserError where it is for another kind."""


class CrossEntropy:
    """Softmax cross-entropy on logits, sigmoid cross-entropy where binary.

    With `smoothing` s, a label stands for 1 - s of its class and s in equal parts for all (torch's label_smoothing,
    Szegedy et al. 2016).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        if not 0 <= smoothing < 1:
            raise UserError(f"loss.smoothing={smoothing}: a share of each label, from 0 to below 1")
        self.smoothing = float(smoothing)

    def objective(self, goal: Goal) -> Objective:
        """See `Loss`."""
        _classes_only(goal)
        if not self.smoothing:
            return _plain(goal)
        return _smoothed(self.smoothing, goal.binary)


class Weighted:
    """Cross-entropy in which a class weighs n / (classes * its n) of the training examples: scikit-learn's "balanced".

    The mean is over samples, so that a mini-batch's own mixture of classes changes no weight (tf.keras's class_weight;
    torch divides by the weights' sum instead).
    """

    def objective(self, goal: Goal) -> Objective:
        """See `Loss`."""
        _classes_only(goal)
        counts = torch.tensor(goal.counts, dtype=torch.float64)
        weights = (counts.sum() / (len(counts) * counts)).float()

        def loss(logits: Tensor, y: Tensor) -> Tensor:
            own = weights.to(logits.device)
            if goal.binary:
                return F.binary_cross_entropy_with_logits(logits.squeeze(1), y, weight=own[y.long()])
            return F.cross_entropy(logits, y, weight=own, reduction="sum") / len(y)

        return Objective(loss, _plain(goal).score, own="the loss looks each class's weight up")


class SquaredError:
    """Mean squared error of standardised quantities: of Gaussian noise, the likelihood."""

    def objective(self, goal: Goal) -> Objective:
        """See `Loss`."""
        return _error("mse", 0.0, _std(goal))


class AbsoluteError:
    """Mean absolute error of standardised quantities, whose optimum is the median: outliers weigh little."""

    def objective(self, goal: Goal) -> Objective:
        """See `Loss`."""
        return _error("mae", 0.0, _std(goal))


class Huber:
    """Half the squared error up to `delta` standard deviations, from there on a straight line (Huber 1964)."""

    def __init__(self, delta: float = 1.0) -> None:
        if not delta > 0:
            raise UserError(f"loss.delta={delta}: in standard deviations of what is predicted, above 0")
        self.delta = float(delta)

    def objective(self, goal: Goal) -> Objective:
        """See `Loss`."""
        return _error("huber", self.delta, _std(goal))


def objective_of(loss: Any, goal: Goal) -> Objective:
    """The objective of an option of `loss`: its own, or that of any other callable (outputs, y) -> mean loss."""
    if hasattr(loss, "objective"):
        return loss.objective(goal)
    if goal.std:
        return Objective(loss, _squares(goal.std), RMSE, "the loss is not one of the catalogue's own")

    def of_logits(logits: Tensor, y: Tensor) -> Tensor:
        return loss(logits.squeeze(1) if goal.binary else logits, y)

    return Objective(of_logits, _plain(goal).score, own="the loss is not one of the catalogue's own")


def _plain(goal: Goal) -> Objective:
    return BINARY if goal.binary else MULTICLASS


def _classes_only(goal: Goal) -> None:
    if goal.std:
        raise UserError("loss: this one is for classes; task=regression takes loss=mse, mae or huber")


def _std(goal: Goal) -> tuple[float, ...]:
    if not goal.std:
        raise UserError("loss: this one is for quantities (task=regression); classes take loss=cross_entropy")
    return goal.std


# The same object for the same objective, so that what is made for one is known to fit the next trial's.
MULTICLASS = Objective(F.cross_entropy, lambda logits, y: logits.argmax(1) == y)
BINARY = Objective(
    lambda logits, y: F.binary_cross_entropy_with_logits(logits.squeeze(1), y),
    lambda logits, y: (logits.squeeze(1) > 0) == (y > 0.5),
)


@lru_cache(maxsize=64)
def _smoothed(smoothing: float, binary: bool) -> Objective:
    if binary:
        return Objective(
            lambda logits, y: BINARY.loss(logits, y * (1 - smoothing) + smoothing / 2),
            BINARY.score,
        )
    return Objective(lambda logits, y: F.cross_entropy(logits, y, label_smoothing=smoothing), MULTICLASS.score)


@lru_cache(maxsize=64)
def _error(name: str, delta: float, std: tuple[float, ...]) -> Objective:
    losses: dict[str, PairLoss] = {
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "huber": lambda outputs, y: F.huber_loss(outputs, y, delta=delta),
    }
    return Objective(losses[name], _squares(std), RMSE)


def _squares(std: tuple[float, ...]) -> PairLoss:
    """(N,) squared errors in the quantities' unit, their mean where there are several."""

    def score(outputs: Tensor, y: Tensor) -> Tensor:
        squares = (outputs - y).square()
        return sum(s * s * squares[:, i] for i, s in enumerate(std)) / len(std)  # type: ignore[return-value]

    return score
