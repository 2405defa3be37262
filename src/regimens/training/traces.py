"""Functions of tensors as torch's own operations, traced once for each kind and kept in the process."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.inductor import Lower
from regimens.training.tidy import tidy

# Traces kept for the next trial or fleet of the same kind, the newest last: tracing costs as much as a hundred steps,
# and finding compiled code on the disk again as much as a thousand.
KEPT = 32
_traces: dict[Hashable, Callable[..., Any]] = {}


def as_traced(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """The graph itself: torch's operations one by one."""
    return tidy(graph)


def trace(
    kind: Hashable, function: Callable[..., Any], inputs: Sequence[Tensor], lower: Lower = as_traced
) -> Callable[..., Any]:
    """`function` of flat tensors as torch's own operations, for inputs like these, or what `lower` makes of them.

    kind: with the inputs' shapes, all that the operations follow from.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    # Compiled code is made for a number of threads, and sums hang on how many share them.
    key = (kind, lower, torch.get_num_threads(), tuple((value.shape, value.dtype, value.device) for value in inputs))
    if key not in _traces:
        while len(_traces) >= KEPT:
            del _traces[next(iter(_traces))]
        with torch.no_grad():
            _traces[key] = lower(make_fx(function, tracing_mode="fake")(*inputs), inputs)
    return _traces[key]
