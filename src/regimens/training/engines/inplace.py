"""Products that are written or added where they are wanted, for compiled code, where torch's compiler would copy."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from regimens.training.engines.graph_rewrites import Node, aten, calls, storage, sweep, written_between

# Part of what compiled code is looked up by, as what `inplace_call` makes of it is not: rename it with that.
NAME = "regimens::add_product_"
# Registered without torch's `custom_op`, which costs tens of microseconds per call.
torch.library.define(NAME, "(Tensor(a!) out, Tensor a, Tensor b, int beta) -> ()")


@torch.library.impl(NAME, "CPU")
def _product(out: Tensor, a: Tensor, b: Tensor, beta: int) -> None:
    out.addmm_(a, b, beta=beta)


@torch.library.impl(NAME, "Meta")
def _no_product(out: Tensor, a: Tensor, b: Tensor, beta: int) -> None:
    pass


def write_products(traced: fx.GraphModule) -> fx.GraphModule:
    """The graph in which a product that goes into an input, alone or in a sum, is computed and added there."""
    graph = traced.graph
    for node in [node for node in graph.nodes if calls(node, aten.copy_.default)]:
        out, value = node.args
        onto, scale, rest, product = _summands(out, value)
        if product is None or storage(out) in map(storage, product.args):  # `out` would change while it is read
            continue
        if written_between(product, node, *product.args, *([rest] if rest else [])):
            continue
        a, b = product.args
        with graph.inserting_before(node):
            if scale is not None:
                a = _call(graph, aten.mul.Tensor, (scale, a), a)
            if rest is not None:
                if scale is not None:
                    rest = _call(graph, aten.mul.Tensor, (scale, rest), out)
                if onto:
                    rest = _call(graph, aten.add.Tensor, (out, rest), out)
                graph.call_function(aten.copy_.default, (out, rest)).meta = node.meta
            added = int(onto or rest is not None)
            graph.call_function(torch.ops.regimens.add_product_.default, (out, a, b, added))
        graph.erase_node(node)
        sweep(graph)
    traced.recompile()
    return traced


def _summands(out: Node, value: Node) -> tuple[bool, Node | None, Node | None, Node | None]:
    """Of `value` = out + c (t + product), c a single number: whether there is out, then c, t and the product.

    c and t may be missing; the product is None where `value` is something else.
    """
    scale = None
    onto = _adds(value) and value.args[0] is out
    if onto:
        value = value.args[1]
        if _scales(value):
            scale, value = value.args
    if _adds(value):
        for rest, product in (value.args, value.args[::-1]):
            if _used_once(product):
                return onto, scale, rest, product
    return onto, scale, None, value if _used_once(value) else None


def _adds(node: Node) -> bool:
    return calls(node, aten.add.Tensor) and len(node.users) == 1 and len(node.args) == 2 and not node.kwargs


def _scales(node: Node) -> bool:
    number = calls(node, aten.mul.Tensor) and len(node.users) == 1 and isinstance(node.args[0], fx.Node)
    return number and node.args[0].meta["val"].ndim == 0


def _used_once(node: Node) -> bool:
    return calls(node, aten.mm.default) and len(node.users) == 1


def _call(graph: fx.Graph, target: Callable[..., Any], args: tuple[Node, ...], like: Node) -> Node:
    new = graph.call_function(target, args)
    new.meta = like.meta
    return new
