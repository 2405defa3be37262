"""Losses against torch and scikit-learn, and what each measures."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import root_mean_squared_error
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from regimens.core.errors import UserError
from regimens.training import losses
from regimens.training.losses import Goal, objective_of

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(60, 3, generator=GENERATOR)
Y = torch.tensor([0] * 40 + [1] * 15 + [2] * 5)
CLASSES = Goal(counts=(40, 15, 5))
OUTPUTS, VALUES = torch.randn(60, 2, generator=GENERATOR), torch.randn(60, 2, generator=GENERATOR)
QUANTITIES = Goal(std=(3.0, 0.5))


def test_weighted_gives_every_class_the_same_weight_in_all() -> None:
    weights = compute_class_weight("balanced", classes=np.arange(3), y=Y.numpy())
    each = F.cross_entropy(LOGITS, Y, reduction="none")
    wanted = sum(weights[k] * each[k == Y].sum() for k in range(3)) / 60
    loss = losses.Weighted().objective(CLASSES).loss
    assert loss(LOGITS, Y) == pytest.approx(float(wanted), rel=1e-6)
    # of equal parts, as a sum over mini-batches is
    assert (loss(LOGITS[:30], Y[:30]) + loss(LOGITS[30:], Y[30:])) / 2 == pytest.approx(float(wanted), rel=1e-6)
    assert losses.Weighted().objective(Goal(counts=(20, 20, 20))).loss(LOGITS, Y) == pytest.approx(
        float(each.mean()), rel=1e-6
    )


def test_smoothed_labels_are_torchs() -> None:
    smoothed = losses.CrossEntropy(0.2).objective(CLASSES)
    soft = F.one_hot(Y, 3) * 0.8 + 0.2 / 3
    assert smoothed.loss(LOGITS, Y) == pytest.approx(float(F.cross_entropy(LOGITS, soft)), rel=1e-6)
    assert losses.CrossEntropy(0.2).objective(CLASSES) is smoothed
    assert losses.CrossEntropy(0.0).objective(CLASSES) is losses.MULTICLASS


@pytest.mark.parametrize("loss", [losses.CrossEntropy(0.1), losses.Weighted(), losses.CrossEntropy()])
def test_one_logit_is_two(loss: losses.Loss) -> None:
    y = (Y > 0).long()
    one, two = LOGITS[:, :1], torch.cat([torch.zeros(60, 1), LOGITS[:, :1]], 1)
    binary, classes = (loss.objective(Goal(counts=(40, 20), binary=flag)) for flag in (True, False))
    assert binary.loss(one, y.float()) == pytest.approx(float(classes.loss(two, y)), rel=1e-6)
    assert binary.total(one, y.float()) == classes.total(two, y)


@pytest.mark.parametrize(
    ("loss", "torchs"),
    [
        (losses.SquaredError(), F.mse_loss),
        (losses.AbsoluteError(), F.l1_loss),
        (losses.Huber(0.3), lambda a, b: F.huber_loss(a, b, delta=0.3)),
    ],
)
def test_errors_are_torchs_and_are_measured_in_the_unit(loss: losses.Loss, torchs: losses.PairLoss) -> None:
    objective = loss.objective(QUANTITIES)
    assert objective.loss(OUTPUTS, VALUES) == torchs(OUTPUTS, VALUES)
    scale = np.array(QUANTITIES.std)
    rmse = root_mean_squared_error((VALUES.numpy() * scale).ravel(), (OUTPUTS.numpy() * scale).ravel())
    assert objective.measured(float(objective.total(OUTPUTS, VALUES)) / 60) == pytest.approx(rmse, rel=1e-5)
    assert math.isnan(objective.measured(math.nan))


def test_a_loss_of_torchs_own_is_taken() -> None:
    objective = objective_of(torch.nn.SmoothL1Loss(), QUANTITIES)
    assert objective.loss(OUTPUTS, VALUES) == F.smooth_l1_loss(OUTPUTS, VALUES)
    assert objective.measure == "rmse" and objective.own
    classes = objective_of(torch.nn.MultiMarginLoss(), CLASSES)
    assert classes.loss(LOGITS, Y) == F.multi_margin_loss(LOGITS, Y)
    assert classes.total(LOGITS, Y) == (LOGITS.argmax(1) == Y).sum()


def test_a_loss_is_refused_for_the_other_kind_and_out_of_range() -> None:
    with pytest.raises(UserError, match="is for classes"):
        losses.Weighted().objective(QUANTITIES)
    with pytest.raises(UserError, match="is for quantities"):
        losses.Huber().objective(CLASSES)
    for make in (lambda: losses.CrossEntropy(1.0), lambda: losses.CrossEntropy(-0.1), lambda: losses.Huber(0)):
        with pytest.raises(UserError, match=r"loss\.(smoothing|delta)="):
            make()
