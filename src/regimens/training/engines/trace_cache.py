"""Functions of tensors as torch's own operations, traced once for each kind and cached in the process."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from regimens.training.engines.graph_rewrites import reshape_views, rewrite_graph

Function = Callable[..., Any]
# Turns a function of flat tensors, with inputs like those that it will have, into another that does the same.
Lower = Callable[[Function, Sequence[Tensor]], Function]
# Size of the cache, newest last. Tracing costs as much as a hundred steps, loading compiled code from disk a thousand.
CACHED = 32
_traces: dict[Hashable, Function] = {}


def as_traced(function: Function, inputs: Sequence[Tensor]) -> Function:
    """The function's operations, run one by one."""
    from torch.fx.experimental.proxy_tensor import make_fx

    return reshape_views(rewrite_graph(make_fx(function, tracing_mode="fake")(*inputs)))


def trace(kind: Hashable, function: Function, inputs: Sequence[Tensor], lower: Lower = as_traced) -> Function:
    """What `lower` makes of `function` of flat tensors, for inputs like these.

    kind: together with the inputs' shapes, determines the operations.
    """
    # Compiled code is made for a number of threads, and sums hang on how many share them.
    key = (kind, lower, torch.get_num_threads(), tuple((value.shape, value.dtype, value.device) for value in inputs))
    if key not in _traces:
        while len(_traces) >= CACHED:
            del _traces[next(iter(_traces))]
        with torch.no_grad():
            _traces[key] = lower(function, inputs)
    return _traces[key]
