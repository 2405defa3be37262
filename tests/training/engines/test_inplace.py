"""Products that are written or added in place: fewer passes over memory, the same values."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from regimens.training.engines.inductor import Inductor


def written(function: Callable[..., Any], *inputs: Tensor) -> tuple[list[str], float]:
    """The operations on matrices that are left, and by how much the graph's values differ from the function's."""

    def changes(*values: Tensor) -> None:
        function(*values)

    graph = Inductor()._operations(changes, inputs)
    plain, ours = ([value.clone() for value in inputs] for _ in range(2))
    function(*plain)
    graph(*ours)
    targets = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    return targets, max(float((a - b).abs().max()) for a, b in zip(plain, ours, strict=True))


@pytest.fixture
def inputs() -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(1)
    return tuple(torch.rand(*shape, dtype=torch.float64, generator=draw) for shape in ((3, 4), (5, 3), (5, 4), (2,)))


def test_a_gradient_is_computed_where_it_is_kept(inputs: tuple[Tensor, ...]) -> None:
    targets, error = written(lambda g, d, x, c: g.copy_((d.t() @ x).t().t()), *inputs)
    assert "regimens.add_product_.default" in targets
    assert not {"aten.mm.default", "aten.copy_.default"} & set(targets)
    assert error < 1e-15


def test_a_gradient_that_is_only_added_is_never_written_down(inputs: tuple[Tensor, ...]) -> None:
    targets, error = written(lambda p, d, x, c: p.add_(c[1] * (d.t() @ x)), *inputs)
    assert "regimens.add_product_.default" in targets
    assert not {"aten.mm.default", "aten.add.Tensor", "aten.copy_.default"} & set(targets)
    assert error < 1e-15


@pytest.mark.parametrize(
    ("function", "copies"),
    [
        (lambda p, d, x, c: p.add_(d.t() @ x), 0),  # a gradient is added to the zeros in its place
        (lambda p, d, x, c: p.copy_(2 * p + d.t() @ x), 1),  # a penalty's gradient and the loss's
        (lambda p, d, x, c: p.add_((d.t() @ x) + p * c[0]), 1),
        (lambda p, d, x, c: p.add_(c[1] * (p * c[0] + d.t() @ x)), 1),  # the same, moved by at once
    ],
)
def test_what_a_product_is_added_to_is_written_first(
    function: Callable[..., Any], copies: int, inputs: tuple[Tensor, ...]
) -> None:
    targets, error = written(function, *inputs)
    assert targets.count("aten.copy_.default") == copies
    assert "regimens.add_product_.default" in targets and "aten.mm.default" not in targets
    assert error < 1e-15


@pytest.mark.parametrize(
    "function",
    [
        lambda p, d, x, c: p.copy_(c[0] * (d.t() @ x)),  # a penalty's or a clip's gradient is no bare product
        lambda p, d, x, c: p.copy_(p + (d.t() @ x).tanh()),
        lambda p, d, x, c: p.add_(p * (d.t() @ x)),  # not a single number
    ],
)
def test_what_is_no_bare_product_stays(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> None:
    targets, error = written(function, *inputs)
    assert "aten.mm.default" in targets
    assert error < 1e-15


def test_a_product_stays_where_its_factors_change_before_it_is_used(inputs: tuple[Tensor, ...]) -> None:
    def late(p: Tensor, d: Tensor, x: Tensor, c: Tensor) -> None:
        g = d.t() @ x
        x.add_(1)
        p.copy_(g)

    assert written(late, *inputs)[1] < 1e-15


def test_a_sum_of_products_with_what_it_changes_stays() -> None:
    square = torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def twice(p: Tensor, c: Tensor) -> None:
        p.add_(c * (p @ p + p.t() @ p))

    for function in (twice, lambda p, c: p.add_(c * (p @ p)), lambda p, c: p.copy_(p @ p)):
        targets, error = written(function, square, torch.tensor(0.5, dtype=torch.float64))
        assert "regimens.add_product_.default" not in targets
        assert error < 1e-15
