"""How compiled code calls a product that is written or added in place: torch's own function, with no Python between.

Imported where torch's compiler is. Torch's private names here are pinned by `torch==2.13.0`
(docs/decisions/0010-rooms.md).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch._inductor import ir
from torch._inductor.virtualized import V

import regimens.training.engines.inplace  # noqa: F401  registers the operator


class Product(ir.MutatingFirstArgExternKernel):
    """out = beta out + a b, in C++."""

    def __init__(self, out: ir.IRNode, a: ir.IRNode, b: ir.IRNode, beta: int) -> None:
        inputs = [self.realize_input(one) for one in (out, a, b)]
        layout = ir.NoneLayout(device=out.get_device())
        super().__init__(None, layout, self.unwrap_storage(inputs), (beta,))
        V.graph.mark_buffer_mutated(inputs[0].get_name())
        self.name = V.graph.register_buffer(self)
        V.graph.register_operation(self)

    def codegen(self, wrapper: Any) -> None:
        """Write the call."""
        out, a, b = (one.codegen_reference() for one in self.inputs)  # type: ignore[union-attr]
        call = f"aoti_torch_cpu_addmm_out({out}, {out}, {a}, {b}, {self.constant_args[0]}, 1)"
        wrapper.writeline(f"AOTI_TORCH_ERROR_CODE_CHECK({call});")


def _call(*operands: Any) -> None:
    Product(*operands)


LOWERINGS: dict[Any, Callable[..., None]] = {torch.ops.regimens.add_product_.default: _call}
