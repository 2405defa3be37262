"""A product that is added in place, called by compiled code."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from regimens.training.engines.inductor import Inductor


@pytest.mark.thorough
def test_compiled_code_calls_torchs_own_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)

    def step(p: Tensor, q: Tensor, r: Tensor, d: Tensor, x: Tensor) -> None:
        p.add_(d.t() @ x)
        q.copy_(d.t() @ x)
        r.t().add_(d.t() @ x)  # a transposed matrix is another tensor of the same memory

    def inputs() -> list[Tensor]:
        draw = torch.Generator().manual_seed(1)
        shapes = ((5, 4), (5, 4), (4, 5), (3, 5), (3, 4))
        return [torch.rand(shape, generator=draw, dtype=torch.float64) for shape in shapes]

    ours, plain = inputs(), inputs()
    run = Inductor(tmp_path)(step, ours)
    step(*plain)
    with torch.profiler.profile() as profile:
        run(*ours)
    called = {event.name for event in profile.events()}
    assert called and not any("regimens" in name for name in called), "Python stands between"
    assert "aten::copy_" not in called, "a matrix was copied onto itself"
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-15)


def test_nan_and_inf_pass_through_only_where_they_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`out` may hold anything where it is only written: beta = 0 is no multiplication."""
    op = torch.ops.regimens.add_product_
    for start in (float("nan"), float("inf")):
        out, one = torch.full((2, 2), start), torch.eye(2)
        op(out, one, one, 0)
        assert torch.equal(out, one)
        out.fill_(start)
        op(out, one, one, 1)
        assert not out.isfinite().any()
