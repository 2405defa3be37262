"""Rewrite a traced step so that it makes fewer passes over memory; values are the same up to rounding.

`vmap` has no batching rule for some fused operations, so a traced step has two operations in their place.
Torch's private names here are pinned by `torch==2.13.0` (docs/decisions/0010-rooms.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten
# An fx.Node; the type of its arguments would be anything that a call may take.
Node = Any
Rewrite = Callable[[fx.Graph, Node], Node | None]
VIEWS = (aten.view.default, aten.expand.default, aten._unsafe_view.default, aten.permute.default)
TRANSPOSES = (aten.transpose.int, aten.t.default, aten.permute.default)
ADDED = {aten.mm.default: aten.addmm_.default, aten.bmm.default: aten.baddbmm_.default}


def rewrite_graph(traced: fx.GraphModule, rewrites: Sequence[Rewrite] | None = None) -> fx.GraphModule:
    """Rewrite the graph in place; by default remove views without effect and fuse neighbouring operations."""
    graph = traced.graph
    for rewrite in rewrites or (drop_view, untranspose, add_bias, add_product, fuse_update):
        for node in list(graph.nodes):
            if new := rewrite(graph, node):
                node.replace_all_uses_with(new)
                graph.erase_node(node)
        sweep(graph)
    traced.recompile()
    return traced


def sweep(graph: fx.Graph) -> None:
    """Erase nodes whose output is unused, unless they change a tensor in place."""
    # In reverse, so that inputs of erased nodes are erased too.
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op == "call_function" and not mutates(node):
            graph.erase_node(node)


def reshape_views(traced: fx.GraphModule) -> fx.GraphModule:
    """Change the graph in place so that views that are only read copy where they must.

    Some operations (`elu_backward`) lay their output out otherwise than tracing expects of them, so that what was
    traced as a view can be none.
    """
    for node in traced.graph.nodes:
        if calls(node, aten.view.default, aten._unsafe_view.default) and not written(node):
            node.target = aten.reshape.default
    traced.recompile()
    return traced


def written(view: Node) -> bool:
    """Whether an operation changes a view, or a view of it, in place."""
    return any(mutates(user) or (calls(user, *VIEWS, *TRANSPOSES) and written(user)) for user in view.users)


def mutates(node: Node) -> bool:
    """Whether an operation changes one of its inputs in place."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def written_between(first: Node, last: Node, *read: Node) -> bool:
    """Whether anything, or any of what is `read`, is changed in place after `first` and before `last`."""
    memory = {storage(each) for each in read}
    node = last.prev
    while node is not first:
        if mutates(node) and (not read or storage(node.args[0]) in memory):
            return True
        node = node.prev
    return False


def storage(node: Node) -> int:
    """An id of the memory of a node's tensor; views of one tensor share it."""
    return node.meta["val"].untyped_storage()._cdata


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
    twice = calls(node, *TRANSPOSES) and calls(node.args[0], node.target) and node.args[1:] == node.args[0].args[1:]
    turns = not calls(node, aten.permute.default) or node.args[1] == [1, 0]
    return node.args[0].args[0] if twice and turns else None


def drop_copy(graph: fx.Graph, node: Node) -> Node | None:
    """A copy of the kind that is copied, which tracing leaves where one tensor is written into another."""
    if not calls(node, aten.copy.default):
        return None
    before, after = node.args[1].meta["val"], node.meta["val"]
    return node.args[1] if before.shape == after.shape and before.dtype == after.dtype else None


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


def split_bias(graph: fx.Graph, node: Node) -> Node | None:
    """bias + x @ w as two operations: compiled code fuses the sum with what follows, where `addmm` would copy."""
    if not calls(node, aten.addmm.default) or node.kwargs:
        return None
    bias, x, w = node.args
    with graph.inserting_before(node):
        product = graph.call_function(aten.mm.default, (x, w))
        new = graph.call_function(aten.add.Tensor, (product, bias))
    product.meta = new.meta = node.meta
    return new


def differs_from(p: Node, node: Node) -> bool:
    """Whether `node` is a difference `... - p` that is used once."""
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


def add_product(graph: fx.Graph, node: Node) -> Node | None:
    """p += c (t + a @ b) as p += c t, then p += (c a) @ b in place.

    c is a scalar, or one for each product of a batch; without t there is no first addition. The product, as large as p,
    is never stored.
    """
    if not calls(node, aten.add_.Tensor) or len(node.args) != 2 or node.kwargs:
        return None
    p, term = node.args
    if not calls(term, aten.mul.Tensor) or len(term.users) != 1:
        return None
    c, g = term.args
    summed = calls(g, aten.add.Tensor) and len(g.users) == 1 and len(g.args) == 2 and not g.kwargs
    rest, product = g.args if summed else (None, g)
    if not calls(product, *ADDED) or len(product.users) != 1 or any(n > 1 for n in c.meta["val"].shape[-2:]):
        return None
    a, b = product.args
    if storage(p) in (storage(a), storage(b)):  # p would change while it is read
        return None
    if written_between(product, node, a, b, c) or (rest and written_between(rest, node, rest)):
        return None
    with graph.inserting_before(node):
        scaled = graph.call_function(aten.mul.Tensor, (c, a))
        scaled.meta = a.meta
        if rest:
            part = graph.call_function(aten.mul.Tensor, (c, rest))
            part.meta = term.meta
            p = graph.call_function(aten.add_.Tensor, (p, part))
            p.meta = node.meta
        new = graph.call_function(ADDED[product.target], (p, scaled, b))
    new.meta = node.meta
    return new
