"""Metrics against scikit-learn, and their directions against torchmetrics."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics.classification
import torchmetrics.regression
from sklearn import metrics as sk

from regimens.core.metrics import CLASSES, KNOWN, QUANTITIES, direction, extra, figures, in_unit
from regimens.training.metrics import Measures

GENERATOR = torch.Generator().manual_seed(0)
LOGITS, Y = torch.randn(200, 3, generator=GENERATOR), torch.randint(0, 3, (200,), generator=GENERATOR)
P = LOGITS.double().softmax(1).numpy()
GUESS = P.argmax(1)
Truth = Callable[[], float]
OF_CLASSES: dict[str, Truth] = {
    "balanced_accuracy": lambda: sk.balanced_accuracy_score(Y, GUESS),
    "f1_macro": lambda: sk.f1_score(Y, GUESS, average="macro"),
    "f1_weighted": lambda: sk.f1_score(Y, GUESS, average="weighted"),
    "precision_macro": lambda: sk.precision_score(Y, GUESS, average="macro"),
    "recall_macro": lambda: sk.recall_score(Y, GUESS, average="macro"),
    "jaccard_macro": lambda: sk.jaccard_score(Y, GUESS, average="macro"),
    "auroc": lambda: sk.roc_auc_score(Y, P, multi_class="ovr"),
    "average_precision": lambda: sk.average_precision_score(np.eye(3)[Y], P),
    "matthews": lambda: sk.matthews_corrcoef(Y, GUESS),
    "kappa": lambda: sk.cohen_kappa_score(Y, GUESS),
    "log_loss": lambda: sk.log_loss(Y, P),
}
MEAN, STD = (50.0, -2.0), (20.0, 0.5)
OUTPUTS, TARGETS = torch.randn(80, 2, generator=GENERATOR), torch.randn(80, 2, generator=GENERATOR)
TOLD, TRUTH = (one.double().numpy() * STD + MEAN for one in (OUTPUTS, TARGETS))
OF_QUANTITIES: dict[str, Truth] = {
    "rmse": lambda: sk.root_mean_squared_error(TRUTH.ravel(), TOLD.ravel()),
    "mae": lambda: sk.mean_absolute_error(TRUTH, TOLD),
    "r2": lambda: sk.r2_score(TRUTH, TOLD),
    "explained_variance": lambda: sk.explained_variance_score(TRUTH, TOLD),
    "mape": lambda: sk.mean_absolute_percentage_error(TRUTH, TOLD),
}
MEASURES = Measures((), 0, ("price", "area"), MEAN, STD)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_metrics_of_classes_are_scikit_learns(name: str) -> None:
    assert Measures((name,), 3).of(LOGITS, Y) == {name: pytest.approx(OF_CLASSES[name](), rel=1e-5)}


@pytest.mark.parametrize("name", OF_QUANTITIES)
def test_metrics_of_quantities_are_scikit_learns_in_their_unit(name: str) -> None:
    assert MEASURES.of(OUTPUTS, TARGETS, (name,))[name] == pytest.approx(OF_QUANTITIES[name](), rel=1e-6)


def test_every_quantity_is_measured_too() -> None:
    found = MEASURES.of(OUTPUTS, TARGETS, ("rmse", "r2"))
    assert found["rmse/area"] == pytest.approx(sk.root_mean_squared_error(TRUTH[:, 1], TOLD[:, 1]))
    assert found["r2/price"] == pytest.approx(sk.r2_score(TRUTH[:, 0], TOLD[:, 0]))


def test_one_logit_is_a_probability_of_two_classes() -> None:
    y = (Y > 0).float()
    p = torch.sigmoid(LOGITS[:, 0].double())
    found = Measures(("auroc", "log_loss"), 2).of(LOGITS[:, :1], y)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(y, p))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p))


@pytest.mark.parametrize("name", KNOWN)
def test_every_metric_is_torchmetrics_and_says_which_way_is_better(name: str) -> None:
    one = KNOWN[name]
    if one.name != "LogLoss":
        library = torchmetrics.classification if name in CLASSES else torchmetrics.regression
        assert getattr(library, one.name).higher_is_better is (one.better == "maximize")
    outputs = (LOGITS, Y) if name in CLASSES else (OUTPUTS, TARGETS)
    measures = Measures((name,), 3) if name in CLASSES else MEASURES
    assert math.isfinite(measures.of(*outputs, (name,))[name])
    assert math.isnan(measures.of(outputs[0] * math.nan, outputs[1], (name,))[name])


def test_numbers_in_a_unit_have_no_exponent() -> None:
    assert [figures(x) for x in (57.9768, 1234.5, 12721.14, -0.00123456)] == ["57.98", "1234", "12721", "-0.001235"]
    assert (figures(12.34, 3, "+"), figures(-98765.4, 3, "+")) == ("+12.3", "-98765")


def test_names_are_read_with_their_part() -> None:
    assert (direction("val/auroc"), direction("test/rmse/price"), direction("val/log_loss")) == (
        "maximize", "minimize", "minimize",
    )  # fmt: skip
    assert (direction("val/accuracy"), direction("val/mc_accuracy"), direction("time/train")) == (
        "maximize", "maximize", "minimize",
    )  # fmt: skip
    assert in_unit("val/mae") and not in_unit("val/r2") and not in_unit("val/loss")
    assert extra(["val/auroc", "val/accuracy", "val/rmse", "val/mae", "time/train", "loss"]) == ["auroc", "mae"]
    assert not {*CLASSES} & {*QUANTITIES}
