"""Rewrites a traced step so that it makes fewer passes over memory: the same values, to rounding.

What the mapping over trials writes as two operations, torch has as one, for which the mapping knows no rule.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten
# An fx.Node; the type of its arguments would be anything that a call may take.
Node = Any
VIEWS = (aten.view.default, aten.expand.default, aten._unsafe_view.default, aten.permute.default)


def tidy(traced: fx.GraphModule) -> fx.GraphModule:
    """The graph, rewritten in place: views that change nothing gone, and neighbours fused."""
    graph = traced.graph
    for node in list(graph.nodes):
        for rewrite in (drop_view, untranspose, add_bias, fuse_update):
            if new := rewrite(graph, node):
                node.replace_all_uses_with(new)
                graph.erase_node(node)
                break
    # Reversed, so that what an erased node read goes too; what changes a tensor in place stays.
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op == "call_function" and not mutates(node):
            graph.erase_node(node)
    traced.recompile()
    return traced


def mutates(node: Node) -> bool:
    """Whether an operation changes one of its inputs in place."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def written_between(first: Node, last: Node) -> bool:
    """Whether anything is changed in place after `first` and before `last`."""
    node = last.prev
    while node is not first:
        if mutates(node):
            return True
        node = node.prev
    return False


def calls(node: Node, *targets: Callable) -> bool:
    """Whether `node` calls one of these operations."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets


def drop_view(graph: fx.Graph, node: Node) -> Node | None:
    """A view of the shape that its input has already."""
    if calls(node, *VIEWS):
        before, after = node.args[0].meta["val"], node.meta["val"]
        if before.shape == after.shape and before.stride() == after.stride():
            return node.args[0]
    return None


def untranspose(graph: fx.Graph, node: Node) -> Node | None:
    """The transpose of a transpose."""
    twice = calls(node, aten.transpose.int) and calls(node.args[0], aten.transpose.int)
    return node.args[0].args[0] if twice and node.args[1:] == node.args[0].args[1:] else None


def add_bias(graph: fx.Graph, node: Node) -> Node | None:
    """bias * 1 + x @ w: one product that begins with the bias."""
    if not calls(node, aten.add.Tensor) or len(node.args) != 2 or node.kwargs:
        return None
    bias, product = node.args
    if not (calls(bias, aten.view.default) and calls(product, aten.bmm.default) and len(product.users) == 1):
        return None
    source, shape = bias.args
    if calls(source, aten.mul.Scalar) and source.args[1] == 1:
        source = source.args[0]
    with graph.inserting_before(node):
        view = graph.call_function(aten.view.default, (source, shape))
        new = graph.call_function(aten.baddbmm.default, (view, *product.args))
    view.meta, new.meta = bias.meta, node.meta
    return new


def differs_from(p: Node, node: Node) -> bool:
    """Whether `node` is something less `p`, and read once."""
    return calls(node, aten.sub.Tensor) and node.args[1] is p and len(node.users) == 1


def fuse_update(graph: fx.Graph, node: Node) -> Node | None:
    """p += a b, p += a / b and m += a (g - m) without the temporary."""
    if not calls(node, aten.add_.Tensor) or len(node.args) != 2 or node.kwargs:
        return None
    p, term = node.args
    if not (calls(term, aten.mul.Tensor, aten.div.Tensor) and len(term.users) == 1):
        return None
    first, second = term.args
    if not isinstance(first, fx.Node) or not isinstance(second, fx.Node) or written_between(term, node):
        return None
    with graph.inserting_before(node):
        if term.target is aten.div.Tensor:
            new = graph.call_function(aten.addcdiv_.default, (p, first, second))
        elif differs_from(p, second) and not written_between(second, node):
            new = graph.call_function(aten.lerp_.Tensor, (p, second.args[0], first))
        else:
            new = graph.call_function(aten.addcmul_.default, (p, first, second))
    new.meta = node.meta
    return new
