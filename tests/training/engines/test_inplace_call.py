"""A product that is added in place, called by compiled code."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from regimens.training.engines.inductor import Inductor

SHAPES = ((5, 4), (5, 4), (5, 4), (3, 5), (3, 4))


@pytest.fixture
def inputs() -> tuple[list[Tensor], list[Tensor]]:
    """Twice the same; the second tensor, which is only written, holds no numbers."""
    draw = torch.Generator().manual_seed(1)
    first = [torch.rand(shape, generator=draw, dtype=torch.float64) for shape in SHAPES]
    first[1].fill_(float("nan"))
    return first, [one.clone() for one in first]


@pytest.mark.thorough
def test_compiled_code_calls_torchs_own_product(
    inputs: tuple[list[Tensor], list[Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)

    def step(p: Tensor, q: Tensor, r: Tensor, d: Tensor, x: Tensor) -> Tensor:
        penalty = (r * r).sum()  # what is read before it changes
        q.copy_(d.t() @ x)
        p.add_(0.5 * ((d.t() @ x) + 0.1 * p))  # what is written first, then added to
        r.add_((p @ x.t()) @ (d @ q))  # of what has changed
        return penalty + (r * p).sum()

    ours, plain = inputs
    run = Inductor(tmp_path)(step, ours)
    told = step(*plain)
    with torch.profiler.profile() as profile:
        assert torch.isclose(run(*ours), told, rtol=1e-14)
    called = {event.name for event in profile.events()}
    assert called and not any("regimens" in name for name in called), "Python stands between"
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=1e-14)
