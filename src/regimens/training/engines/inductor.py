"""torch's compiler for processors: from a function of tensors to C++ code, which is stored on disk and shared.

A network's step is one C++ file, loops and the calls between them; an update is one of its loop, called from Python.
Its private names here are pinned by `torch==2.13.0` (docs/decisions/0010-rooms.md).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor, fx

from regimens.core.hashing import digest
from regimens.core.imports import import_packages
from regimens.core.locks import held
from regimens.core.process import without_collector
from regimens.training.engines import cpp
from regimens.training.engines.graph_rewrites import drop_copy, rewrite_graph, split_bias, untranspose
from regimens.training.engines.inplace import write_products

# One compiling process, since a trial leases one core. The pattern matcher would fuse products and sums into calls that
# copy.
OPTIONS = {"compile_threads": 1, "pattern_matcher": False, "size_asserts": False}
# A network's step is dozens of calls: written in C++ too, and all memory between them is one block. A value that takes
# more than ten operations is kept where it is used again: a dropout's mask is not hashed anew.
MANY_CALLS = {"cpp_wrapper": True, "memory_planning": True, "realize_opcount_threshold": 10}
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # torch reads it whenever it looks for compiled code


@dataclass(frozen=True)
class Inductor:
    """Compiles functions of tensors, which may change their inputs in place.

    cache: where compiled code is stored (None: torch's own directory).
    any_size: the code is for inputs of these dimensions of any size, all of one size where these are.
    """

    cache: Path | None = None
    any_size: bool = False

    def __call__(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
        """The function of one output, or none, for inputs like these. Raises what the compiler raises."""
        import_packages("torch._inductor.compile_fx")
        with without_collector():  # a tenth of the compiler's own time
            return self._compiled(function, inputs)

    def _compiled(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
        from torch._guards import TracingContext, tracing
        from torch._inductor import config
        from torch._inductor.compile_fx import compile_fx_inner
        from torch._inductor.lowering import lowerings
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        from regimens.training.engines.inplace_call import LOWERINGS

        graph = self._operations(function, inputs)
        # The user's own setting takes precedence, but not the default that torch sets when it is imported.
        if self.cache is not None and os.environ.get(CACHE, default_cache_dir()) == default_cache_dir():
            os.environ[CACHE] = str(self.cache.absolute())
        cache = Path(os.environ.get(CACHE, default_cache_dir()))
        fakes = [node.meta["val"] for node in graph.graph.find_nodes(op="placeholder")]
        # Of workers that need the same code, one compiles and the others wait, then read it from the disk.
        made = digest([graph.code, *(f"{one.dtype}{tuple(one.shape)}" for one in fakes)])
        with (
            held(cache / "locks" / f"{made}.lock"),
            config.patch(OPTIONS if self.any_size else OPTIONS | MANY_CALLS),
            cpp.calls(),
            patch.dict(lowerings, {} if self.any_size else LOWERINGS),
            tracing(TracingContext(fakes[0].fake_mode)),
            torch.no_grad(),
        ):
            compiled: Any = compile_fx_inner(graph, fakes, is_inference=True, cpp_wrapper=config.cpp_wrapper)

        def call(*inputs: Tensor) -> Any:
            out = compiled.current_callable(list(inputs))  # without what torch's profiler needs around it
            return out[0] if out else None

        return call

    def _operations(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> fx.GraphModule:
        """What the compiler takes: operations that change nothing, and at the end a copy into what is changed."""
        from torch._inductor.decomposition import select_decomp_table
        from torch.func import functionalize
        from torch.fx.experimental.proxy_tensor import make_fx

        def several(*inputs: Tensor) -> tuple[Any, ...]:
            out = function(*inputs)
            return () if out is None else (out,)

        mode: Literal["symbolic", "fake"] = "symbolic" if self.any_size else "fake"
        trace = make_fx(functionalize(several), tracing_mode=mode, decomposition_table=select_decomp_table())
        graph = trace(*inputs)
        if self.any_size:  # torch looks up no code of a graph that has this among its own attributes: a fx.GraphModule
            type(graph).shape_env = vars(graph).pop("shape_env")  # has a class of its own
        return write_products(rewrite_graph(graph, (drop_copy, split_bias, untranspose)))
