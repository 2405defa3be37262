"""Running a batched fleet's step: one call for all its trials, as many steps as there are mini-batches."""

from typing import Any

import torch
from torch import Tensor

from regimens.training.engines.launch import Launcher


def step(parts: dict[str, Any], numbers: dict[str, Tensor], x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """w += c mean(x): one trial's."""
    parts["trained"]["w"].add_(c[0] * x.mean(0))
    return y.sum().to(x).repeat(5)


def test_each_trial_steps_with_its_own_numbers_on_mini_batches_of_any_size() -> None:
    w = torch.zeros(2, 3)
    examples = torch.ones(9, 3), torch.ones(9)
    launcher = Launcher(step, {"trained": {"w": w}}, {}, examples, "each its own")
    sums = [launcher(torch.arange(2 * size).view(1, 2, size), torch.tensor([[[0.5], [2.0]]])) for size in (4, 4, 3, 4)]
    assert w.tolist() == [[2.0] * 3, [8.0] * 3]
    assert torch.stack(sums).sum(0).tolist() == [[15.0] * 5] * 2
