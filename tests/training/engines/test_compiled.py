"""The compiled engine: blocks of mini-batches as one function, which learns what the plain loop learns."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from regimens.training.engines.compiled import Compiled
from regimens.training.engines.trace_cache import as_traced
from tests.training.small_modules import QUICK, SHARPER, TECHNIQUES, assert_agree, regimen, train


@pytest.mark.parametrize("technique", QUICK)
def test_the_compiled_blocks_arithmetic_is_the_plain_loops(technique: str) -> None:
    overrides = [technique, *SHARPER.get(technique, [])]
    engine = Compiled(steps=2, lower=as_traced)
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
    engine = Compiled(cache=tmp_path, steps=2)
    module = regimen(*overrides, engine=engine)
    assert_agree(train(module), train(regimen(*overrides)), 1e-6)
    assert engine.name == "compiled", engine.note


@pytest.mark.slow
def test_compiled_code_is_kept_where_it_was_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    # A width of its own, since a process that has such code already writes none.
    train(regimen("model.hidden=[7]", engine=Compiled(cache=tmp_path, steps=2)))
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
    engine = Compiled(lower=as_traced)
    module, plain = regimen(override, engine=engine), regimen(override)
    ours, theirs = train(module), train(plain)
    assert engine.name == "eager"
    assert why in engine.note
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_optimiser_of_torchs_runs_eagerly_and_says_so() -> None:
    engine = Compiled(lower=as_traced)
    module = regimen(engine=engine)
    module._make_optimizer = lambda parameters, lr: torch.optim.SGD(parameters, lr=0.1)
    train(module)
    assert engine.name == "eager"
    assert "SGD" in engine.note


def test_code_that_does_not_compile_is_not_the_end() -> None:
    def broken(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        raise RuntimeError("no such thing")

    engine = Compiled(lower=broken)
    sums = train(regimen(engine=engine))["sums"]
    assert engine.name == "eager"
    assert "no such thing" in engine.note
    assert math.isfinite(float(sums[0]))


@pytest.mark.thorough
def test_a_trial_of_the_same_shape_is_compiled_once_in_a_process() -> None:
    seen = []

    def lower(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        seen.append(graph)
        return graph

    for overrides in (["optimizer.lr=0.01"], ["optimizer.lr=0.02", "seed=3"], ["model.hidden=[12,8]"]):
        sums = train(regimen(*overrides, engine=Compiled(lower=lower)))["sums"]
        assert_agree({"sums": sums}, {"sums": train(regimen(*overrides))["sums"]}, 1e-6)
    assert len(seen) == 2
