"""Functions of tensors as torch's own operations, traced once for each kind and cached in the process."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.engines.graph_rewrites import rewrite_graph
from regimens.training.engines.inductor import Lower

# Size of the cache, newest last. Tracing costs as much as a hundred steps, loading compiled code from disk a thousand.
CACHED = 32
_traces: dict[Hashable, Callable[..., Any]] = {}


def as_traced(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """The graph itself, run operation by operation."""
    return rewrite_graph(graph)


def trace(
    kind: Hashable, function: Callable[..., Any], inputs: Sequence[Tensor], lower: Lower = as_traced
) -> Callable[..., Any]:
    """`function` of flat tensors as torch's own operations, for inputs like these, or what `lower` makes of them.

    kind: together with the inputs' shapes, determines the operations.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    # Compiled code is made for a number of threads, and sums hang on how many share them.
    key = (kind, lower, torch.get_num_threads(), tuple((value.shape, value.dtype, value.device) for value in inputs))
    if key not in _traces:
        while len(_traces) >= CACHED:
            del _traces[next(iter(_traces))]
        with torch.no_grad():
            _traces[key] = lower(make_fx(function, tracing_mode="fake")(*inputs), inputs)
    return _traces[key]
