"""Running a fleet's step: what is compiled, and what happens where it cannot be."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.engines.inductor import Lower
from regimens.training.engines.launch import Launcher
from regimens.training.engines.trace_cache import as_traced

Kind = list[tuple[int, ...]]


def step(parts: dict[str, Any], numbers: dict[str, Tensor], x: Tensor, y: Tensor, c: Tensor) -> Tensor:
    """w += c mean(x): one trial's."""
    parts["trained"]["w"].add_(c[0] * x.mean(0))
    return y.sum().to(x).repeat(5)


def launched(lower: Lower, kind: str, sizes: Sequence[int]) -> tuple[Tensor, str]:
    """Two trials' weights after a step on a mini-batch of each size, and how they were run."""
    w = torch.zeros(2, 3)
    launcher = Launcher(step, {"trained": {"w": w}}, {}, kind, lower)
    for size in sizes:
        launcher(torch.ones(1, 2, size, 3), torch.ones(1, 2, size), torch.tensor([[[0.5], [2.0]]]))
    return w, launcher.how


def test_the_full_mini_batch_is_compiled_and_the_epochs_last_is_traced() -> None:
    seen: list[int] = []

    def lower(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        seen.append(inputs[-3].shape[2])
        return graph

    w, how = launched(lower, "full", [4, 4, 3, 4])
    assert w.tolist() == [[2.0] * 3, [8.0] * 3]
    assert (seen, how) == ([4], "compiled")


def test_what_cannot_be_compiled_is_traced_and_says_why() -> None:
    def broken(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        raise RuntimeError("no such thing")

    w, how = launched(broken, "broken", [4, 4])
    assert w.tolist() == [[1.0] * 3, [4.0] * 3]
    assert how == "traced; cannot be compiled: no such thing"
    assert launched(as_traced, "plain", [4])[1] == "traced"
