"""A product added to a matrix in place, for compiled code: to torch's compiler `addmm_` is a copy and a product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.engines.graph_rewrites import add_product, rewrite_graph, split_bias, untranspose
from regimens.training.engines.inductor import Lower

NAME = "regimens::add_product_"
# A bare library entry; torch's `custom_op` costs tens of microseconds a call.
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
    """The graph with a large matrix's gradient, where all that is done with it is to add it, never written down."""
    rewrite_graph(traced, (split_bias, untranspose, partial(add_product, smallest=LARGE)))
    for node in traced.graph.nodes:
        if node.target is torch.ops.aten.addmm_.default:
            with traced.graph.inserting_before(node):
                traced.graph.call_function(torch.ops.regimens.add_product_.default, node.args)
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()
    return traced
