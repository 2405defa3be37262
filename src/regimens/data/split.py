"""Split: the tensors that a trial trains, validates and tests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from regimens.data.inputs import Inputs
    from regimens.data.targets import Targets


@dataclass(frozen=True)
class Split:
    """Inputs are (N, n_inputs) float32; labels (N,) int64, or (N,) float32 of 0 and 1 where `binary`.

    `n_outputs` is the number of logits (1 where binary), `class_names` the task's classes in the order of their labels.
    Where quantities are predicted, there are no classes, and labels are (N, n_outputs) float32, standardised as
    `targets` says.
    Where nothing is tested, `x_test` and `y_test` have no rows; the manifest's sizes are those of the data.
    `inputs` is what turned raw inputs into these, where anything did; `feature_names` are the columns of a table.
    `manifest` is plain data for a result's provenance: its "hash" identifies data, split, scaling and task.
    """

    x_train: "torch.Tensor"
    y_train: "torch.Tensor"
    x_valid: "torch.Tensor"
    y_valid: "torch.Tensor"
    x_test: "torch.Tensor"
    y_test: "torch.Tensor"
    n_inputs: int
    n_outputs: int
    binary: bool
    n_classes: int
    class_names: tuple[str, ...]
    manifest: Mapping[str, Any]
    inputs: "Inputs | None" = None
    feature_names: tuple[str, ...] = ()
    targets: "Targets | None" = None
