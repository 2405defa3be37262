"""An in-place `p += a @ b` for compiled code, where torch's compiler turns `addmm_` into a copy and a product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.engines.graph_rewrites import add_product, rewrite_graph, split_bias, untranspose
from regimens.training.engines.inductor import Lower

NAME = "regimens::add_product_"
# Registered without torch's `custom_op`, which costs tens of microseconds per call.
torch.library.define(NAME, "(Tensor(a!) p, Tensor a, Tensor b) -> ()")
# Adding to this many weights in place saves more than the call, which the compiler cannot fuse with its neighbours.
LARGE = 2**16


@torch.library.impl(NAME, "CPU")
def _add_product(p: Tensor, a: Tensor, b: Tensor) -> None:
    p.addmm_(a, b)


@torch.library.impl(NAME, "Meta")
def _add_no_product(p: Tensor, a: Tensor, b: Tensor) -> None:
    pass


@dataclass(frozen=True)
class InPlace:
    """`lower`, of a graph with products added in place."""

    lower: Lower

    def __call__(self, graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
        """What `lower` makes of the rewritten graph."""
        return self.lower(add_products(graph), inputs)


def add_products(traced: fx.GraphModule) -> fx.GraphModule:
    """The graph in which a large matrix's gradient that is only added to it is never stored."""
    rewrite_graph(traced, (split_bias, untranspose, partial(add_product, smallest=LARGE)))
    for node in traced.graph.nodes:
        if node.target is torch.ops.aten.addmm_.default:
            with traced.graph.inserting_before(node):
                traced.graph.call_function(torch.ops.regimens.add_product_.default, node.args)
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()
    return traced
