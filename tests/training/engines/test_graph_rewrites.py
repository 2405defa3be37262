"""Rewriting a traced step: fewer operations, the same values."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.fx.experimental.proxy_tensor import make_fx

from regimens.training.engines.graph_rewrites import add_product, reshape_views, rewrite_graph, untranspose
from regimens.training.updates import add_square_, axpy_, blend_, ratio_

aten = torch.ops.aten


def rewritten(function: Callable[..., Tensor], *inputs: Tensor) -> tuple[list[object], float]:
    """The operations that are left, and by how much they differ from the function's values, in place and returned."""
    plain, fused = ([value.clone() for value in inputs] for _ in range(2))
    graph = rewrite_graph(make_fx(vmap(function), tracing_mode="fake")(*inputs))
    wanted, found = vmap(function)(*plain), graph(*fused)
    pairs = zip([wanted, *plain], [found, *fused], strict=True)
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    return targets, max(float((a - b).abs().max()) for a, b in pairs)


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize(
    ("update", "fused"),
    [
        (lambda p, g, c: axpy_(p, g, c), aten.addcmul_.default),
        (lambda p, g, c: blend_(p, g, c), aten.lerp_.Tensor),
        (lambda p, g, c: add_square_(p, g, c), aten.addcmul_.default),
        (lambda p, g, c: ratio_(p, g, g + 1, c), aten.addcdiv_.default),
    ],
)
def test_an_update_is_one_pass(update: Callable[..., Tensor], fused: object) -> None:
    targets, error = rewritten(lambda p, g, c: update(p, g, c).clone(), random(3, 4, 5), random(3, 4, 5), random(3))
    assert fused in targets
    assert aten.add_.Tensor not in targets
    assert error < 1e-15


def test_a_dense_layer_is_one_product() -> None:
    layer = torch.nn.functional.linear
    targets, error = rewritten(layer, random(3, 8, 5), random(3, 4, 5), random(3, 4))
    assert aten.baddbmm.default in targets
    assert not {aten.bmm.default, aten.add.Tensor, aten.mul.Scalar} & set(targets)
    assert error < 1e-14


def test_what_is_read_before_it_changes_keeps_its_old_value() -> None:
    def swapped(p: Tensor, q: Tensor) -> Tensor:
        moved = p * q
        q.add_(1)
        return p.add_(moved)

    targets, error = rewritten(swapped, random(3, 4), random(3, 4))
    assert error == 0
    assert aten.addcmul_.default not in targets


def test_an_average_is_of_what_was_read_before_it_changed() -> None:
    def late(m: Tensor, g: Tensor, c: Tensor) -> Tensor:
        apart = g - m
        g.add_(1)
        return m.add_(c * apart)

    targets, error = rewritten(late, random(3, 4), random(3, 4), random(3))
    assert error < 1e-15
    assert aten.lerp_.Tensor not in targets


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_gradient_that_is_only_added_is_never_written_down(decay: float) -> None:
    def update(p: Tensor, d: Tensor, x: Tensor, c: Tensor) -> Tensor:
        g = (d.t() @ x).t().t()
        return p.add_(c * (decay * p + g if decay else g)).clone()

    inputs = random(3, 4), random(5, 3), random(5, 4), random(1).squeeze()
    graph = rewrite_graph(make_fx(update, tracing_mode="fake")(*inputs), (untranspose, add_product))
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    assert aten.addmm_.default in targets
    assert aten.mm.default not in targets
    torch.testing.assert_close(graph(*(v.clone() for v in inputs)), update(*inputs), rtol=1e-14, atol=0)


def test_a_product_stays_where_its_factors_change_before_it_is_added() -> None:
    def late(p: Tensor, d: Tensor, x: Tensor, c: Tensor) -> Tensor:
        g = d.t() @ x
        x[0].add_(1)
        return p.add_(c * g).clone()

    inputs = random(3, 4), random(5, 3), random(5, 4), random(1).squeeze()
    graph = rewrite_graph(make_fx(late, tracing_mode="fake")(*inputs), (add_product,))
    assert torch.equal(graph(*(v.clone() for v in inputs)), late(*inputs))


def test_a_view_that_is_read_takes_any_layout_and_one_that_is_written_stays_one() -> None:
    def function(p: Tensor, read: Tensor) -> Tensor:
        p.view(-1).add_(1)
        return read.view(-1) * 2

    p, read = random(2, 3), random(3, 4)
    traced = reshape_views(make_fx(function, tracing_mode="fake")(p, read))
    before, turned = p.clone(), random(4, 3).t()
    assert torch.equal(traced(p, turned), turned.reshape(-1) * 2)
    assert torch.equal(p, before + 1)
