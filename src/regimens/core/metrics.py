"""What can be measured of predictions: names, which way is better, and what carries them out; without torch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MAXIMIZE, MINIMIZE = "maximize", "minimize"
#: what a network is measured by in every epoch and at the end, whatever is asked for
ALWAYS = {"classes": ("accuracy",), "quantities": ("rmse",)}
#: measured of every network for quantities, at the end
AT_THE_END = ("rmse", "mae", "r2")
LONGEST = 1e12  # from here on numbers have an exponent


@dataclass(frozen=True)
class Metric:
    """`name` in torchmetrics (`training.metrics` has what it lacks), with its `arguments`.

    `better`: which way. `unit`: a number in the unit of what is predicted.
    """

    name: str
    better: str = MAXIMIZE
    arguments: dict[str, Any] = field(default_factory=dict)
    unit: bool = False


#: of predicted classes; several classes' values are averaged as the name says, or as torchmetrics does by default
CLASSES = {
    "balanced_accuracy": Metric("MulticlassAccuracy", arguments={"average": "macro"}),
    "f1_macro": Metric("MulticlassF1Score", arguments={"average": "macro"}),
    "f1_weighted": Metric("MulticlassF1Score", arguments={"average": "weighted"}),
    "precision_macro": Metric("MulticlassPrecision", arguments={"average": "macro"}),
    "recall_macro": Metric("MulticlassRecall", arguments={"average": "macro"}),
    "jaccard_macro": Metric("MulticlassJaccardIndex", arguments={"average": "macro"}),
    "auroc": Metric("MulticlassAUROC"),
    "average_precision": Metric("MulticlassAveragePrecision"),
    "matthews": Metric("MulticlassMatthewsCorrCoef"),
    "kappa": Metric("MulticlassCohenKappa"),
    "calibration": Metric("MulticlassCalibrationError", MINIMIZE),
    "log_loss": Metric("LogLoss", MINIMIZE),
}
#: of predicted quantities, in their unit
QUANTITIES = {
    "rmse": Metric("MeanSquaredError", MINIMIZE, {"squared": False}, unit=True),
    "mae": Metric("MeanAbsoluteError", MINIMIZE, unit=True),
    "r2": Metric("R2Score"),
    "explained_variance": Metric("ExplainedVariance"),
    "mape": Metric("MeanAbsolutePercentageError", MINIMIZE),
    "smape": Metric("SymmetricMeanAbsolutePercentageError", MINIMIZE),
    "spearman": Metric("SpearmanCorrCoef"),
}
KNOWN = {**CLASSES, **QUANTITIES}


def metric_of(name: str) -> Metric | None:
    """The metric of a name such as `val/f1_macro` or `val/rmse/price`; None where it is none of the above."""
    parts = name.split("/")
    return KNOWN.get(parts[1] if len(parts) > 1 else parts[0])


def direction(name: str) -> str:
    """More accuracy is better, and so what a metric says; less of everything else: a loss, a time, a number."""
    found = metric_of(name)
    return found.better if found else MAXIMIZE if name.endswith("accuracy") else MINIMIZE


def in_unit(name: str) -> bool:
    """Whether a metric is a number in the unit of the predicted quantities."""
    found = metric_of(name)
    return found is not None and found.unit


def extra(names: Iterable[str]) -> list[str]:
    """Of names such as val/auroc, those that are not measured in every epoch unless they are asked for: auroc."""
    told = dict.fromkeys(name.partition("/")[2].partition("/")[0] for name in names)
    return sorted(name for name in told if name in KNOWN and name not in ALWAYS["quantities"])


def figures(x: float, digits: int = 4, sign: str = "") -> str:
    """A number of any size to so many significant digits, whole numbers written out: 12721, 57.98, 0.001234."""
    return f"{x:{sign}.0f}" if 10**digits <= abs(x) < LONGEST else f"{x:{sign}.{digits}g}"
