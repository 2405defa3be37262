"""torch's compiler for processors: from a traced graph to C++ code, which is stored on disk and shared.

Its private names here are pinned by `torch==2.13.0` (docs/decisions/0010-rooms.md).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, fx

from regimens.core.hashing import digest
from regimens.core.locks import held

# Turns a traced graph and example inputs into a function of such inputs.
Lower = Callable[[fx.GraphModule, Sequence[Tensor]], Callable[..., Any]]

# One compiling process, since a trial leases one core. The pattern matcher would fuse products and sums into calls that
# copy. Testing for vector instructions would take 5 s; where they are missing, compiling fails and the engine is eager.
OPTIONS = {"compile_threads": 1, "cpp_wrapper": True, "pattern_matcher": False, "cpp.vec_isa_ok": True}
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # torch reads it whenever it looks for compiled code


@dataclass(frozen=True)
class Inductor:
    """Compiles graphs; `cache` is where compiled code is stored (None: torch's own directory)."""

    cache: Path | None = None

    def __call__(self, graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        """The graph of one output as compiled code for inputs like these. Raises what the compiler raises."""
        from torch._inductor import config, standalone_compile
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir

        # The user's own setting takes precedence, but not the default that torch sets when it is imported.
        if self.cache is not None and os.environ.get(CACHE, default_cache_dir()) == default_cache_dir():
            os.environ[CACHE] = str(self.cache.absolute())
        cache = Path(os.environ.get(CACHE, default_cache_dir()))
        # Of workers that need the same code, one compiles and the others wait, then read it from the disk.
        made = digest([graph.code, *(f"{one.dtype}{tuple(one.shape)}" for one in inputs)])
        with held(cache / "locks" / f"{made}.lock"), config.patch(OPTIONS):
            run = standalone_compile(graph, list(inputs))

        def call(*inputs: Tensor) -> Tensor:
            out = run(*inputs)
            return out[0] if isinstance(out, tuple | list) else out

        return call
