"""Products that are written or added where they are wanted, for compiled code, where torch's compiler would copy."""

import torch
from torch import Tensor, fx

from regimens.training.engines.graph_rewrites import Node, aten, calls, written_between

NAME = "regimens::product_"
# Registered without torch's `custom_op`, which costs tens of microseconds per call.
torch.library.define(NAME, "(Tensor(a!) out, Tensor a, Tensor b, int beta) -> ()")


@torch.library.impl(NAME, "CPU")
def _product(out: Tensor, a: Tensor, b: Tensor, beta: int) -> None:
    out.addmm_(a, b, beta=beta)


@torch.library.impl(NAME, "Meta")
def _no_product(out: Tensor, a: Tensor, b: Tensor, beta: int) -> None:
    pass


def write_products(traced: fx.GraphModule) -> fx.GraphModule:
    """The graph in which a product that only goes into an input, or is only added to it, is computed there."""
    graph = traced.graph
    for node in [node for node in graph.nodes if calls(node, aten.copy_.default)]:
        out, value = node.args
        added = _added(out, value)
        product = added.args[1] if added else value
        if not _used_once(product) or written_between(product, node, *product.args):
            continue
        a, b = product.args
        with graph.inserting_before(node):
            if added:
                a = graph.call_function(aten.mul.Tensor, (added.args[0], a))
                a.meta = product.args[0].meta
            graph.call_function(torch.ops.regimens.product_.default, (out, a, b, int(bool(added))))
        for done in (node, value, added, product):
            if done and not done.users and done in graph.nodes:
                graph.erase_node(done)
    traced.recompile()
    return traced


def _added(out: Node, value: Node) -> Node | None:
    """c * product, of `value` = out + c * product with a single number c; None where `value` is something else."""
    if not (calls(value, aten.add.Tensor) and len(value.users) == 1 and value.args[0] is out and not value.kwargs):
        return None
    term = value.args[1]
    scaled = calls(term, aten.mul.Tensor) and len(term.users) == 1 and isinstance(term.args[0], fx.Node)
    return term if scaled and term.args[0].meta["val"].ndim == 0 else None


def _used_once(node: Node) -> bool:
    return calls(node, aten.mm.default) and len(node.users) == 1
