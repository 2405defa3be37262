"""The compiled engine: a step in pieces, which learns what the plain loop learns."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from regimens.training.engines.compiled import Compiled
from regimens.training.engines.inductor import Inductor
from regimens.training.engines.pieces import Lowers
from regimens.training.engines.trace_cache import Lower, as_traced
from tests.training.small_modules import QUICK, SHARPER, TECHNIQUES, assert_agree, regimen, train

TRACED = Lowers(as_traced, as_traced)


@pytest.mark.parametrize("technique", QUICK)
def test_the_compiled_steps_arithmetic_is_the_plain_loops(technique: str) -> None:
    overrides = [technique, *SHARPER.get(technique, [])]
    engine = Compiled(lowers=TRACED)
    module, plain = regimen(*overrides, engine=engine), regimen(*overrides)
    assert_agree(train(module), train(plain), 1e-6)
    assert engine.name == "compiled", engine.note
    assert module.actions.steps == plain.actions.steps == 51
    assert module.actions.clipped_share == pytest.approx(plain.actions.clipped_share)
    assert module.actions.constrained_share == pytest.approx(plain.actions.constrained_share)
    assert module.actions.last_lr == plain.actions.last_lr


@pytest.mark.slow
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_compiled_code_agrees_with_the_plain_loop(
    technique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    overrides = [technique, *SHARPER.get(technique, [])]
    engine = Compiled(cache=tmp_path)
    module = regimen(*overrides, engine=engine)
    assert_agree(train(module), train(regimen(*overrides)), 1e-6)
    assert engine.name == "compiled", engine.note


@pytest.mark.slow
def test_compiled_code_is_kept_where_it_was_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    # A width of its own, since a process that has such code already writes none.
    train(regimen("model.hidden=[7]", engine=Compiled(cache=tmp_path)))
    assert list(tmp_path.rglob("*.so"))


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("activation=rrelu", "rrelu"),
        ("probe=gradients", "probe"),
        ("optimizer=muon", "Muon"),
        ("regularization=mixup", "mixup"),
    ],
)
def test_what_cannot_be_compiled_runs_eagerly_and_says_so(override: str, why: str) -> None:
    engine = Compiled(lowers=TRACED)
    module, plain = regimen(override, engine=engine), regimen(override)
    ours, theirs = train(module), train(plain)
    assert engine.name == "eager"
    assert why in engine.note
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_optimiser_of_torchs_runs_eagerly_and_says_so() -> None:
    engine = Compiled(lowers=TRACED)
    module = regimen(engine=engine)
    module._make_optimizer = lambda parameters, lr: torch.optim.SGD(parameters, lr=0.1)
    train(module)
    assert engine.name == "eager"
    assert "SGD" in engine.note


def test_code_that_does_not_compile_is_not_the_end() -> None:
    def broken(function: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> Any:
        raise RuntimeError("no such thing")

    engine = Compiled(lowers=Lowers(broken, as_traced))
    sums = train(regimen(engine=engine))["sums"]
    assert engine.name == "eager"
    assert "no such thing" in engine.note
    assert math.isfinite(float(sums[0]))


@pytest.mark.thorough
def test_a_network_is_compiled_once_and_all_optimisers_updates_once() -> None:
    seen: list[str] = []

    def lowering(piece: str) -> Lower:
        def lower(function: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> Any:
            seen.append(piece)
            return as_traced(function, inputs)

        return lower

    lowers = Lowers(lowering("network"), lowering("vectors"))
    for overrides in (
        ["optimizer=adam"],
        ["optimizer=adam", "optimizer.lr=0.02", "seed=3"],
        ["optimizer=nadam"],
        ["optimizer=rmsprop"],
        ["optimizer=adam", "model.hidden=[12,8]"],
    ):
        sums = train(regimen(*overrides, engine=Compiled(lowers=lowers)))["sums"]
        assert_agree({"sums": sums}, {"sums": train(regimen(*overrides))["sums"]}, 1e-6)
    assert seen.count("network") == 2
    assert seen.count("vectors") == 1


@pytest.mark.slow
def test_the_code_of_an_update_serves_networks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    kept = []
    for hidden in ("[9]", "[11,6]"):
        engine = Compiled(cache=tmp_path)
        module, plain = (regimen("optimizer=adamw", f"model.hidden={hidden}", engine=one) for one in (engine, None))
        assert_agree(train(module), train(plain), 1e-6)
        kept.append({path.read_text() for path in tmp_path.rglob("*.cpp") if "sqrt" in path.read_text()})
    assert kept[0] == kept[1]
    assert kept[0]


@pytest.mark.thorough
@pytest.mark.parametrize("any_size", [False, True])
def test_what_was_compiled_once_is_looked_up(any_size: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.utils import counters

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)

    def move(x: torch.Tensor, y: torch.Tensor) -> None:
        x.add_(y.sqrt())

    def multiply(x: torch.Tensor, y: torch.Tensor) -> None:
        x.add_(y @ y)  # a network's file calls products

    size = 50 if any_size else 100
    shape, given, moved = ((100,), torch.full((size,), 4.0), 3) if any_size else ((100, 100), torch.eye(size), 2)
    for hits in (0, 1):
        before = counters["inductor"]["fxgraph_cache_hit"]
        run = Inductor(tmp_path, any_size)(move if any_size else multiply, [torch.zeros(shape), torch.zeros(shape)])
        assert counters["inductor"]["fxgraph_cache_hit"] - before == hits
        x = torch.ones_like(given)
        run(x, given)
        assert x.max() == moved
