"""The engines: one step's arithmetic, run plainly, compiled in blocks, or batched over trials."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from regimens import trial
from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.training import inplace
from regimens.training.apart import Apart
from regimens.training.compiled import Compiled
from regimens.training.ddp import Spread
from regimens.training.fleet import Stepping
from regimens.training.inductor import Inductor
from regimens.training.inplace import InPlace
from regimens.training.module import Regimen
from regimens.training.stacked import Stacked
from regimens.training.traces import as_traced

CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("activation", "norm", "regularization", "clip", "optimizer", "scheduler")
TECHNIQUES = sorted(
    f"{group}={path.stem}" for group in GROUPS for path in (CONF / group).glob("*.yaml") if path.stem != "rrelu"
)
# A full comparison takes minutes: these few stand for it, the rest is slow.
STANDARD = {"optimizer=sgd", "optimizer=nadam", "norm=batch", "regularization=dropout", "clip=global_norm"}
QUICK = [name if name in STANDARD else pytest.param(name, marks=pytest.mark.slow) for name in TECHNIQUES]
# What acts in only a few of the catalogue's own numbers is given numbers under which it acts here.
SHARPER = {
    "clip=value": ["clip.bound=0.01"],
    "clip=norm": ["clip.bound=0.05"],
    "clip=global_norm": ["clip.bound=0.1"],
    "regularization=max_norm": ["regularization.max_norm=0.9"],
    "activation=exponential": ["optimizer.lr=0.00001", "model.hidden=[6]"],
}
N, BATCH = 8 * 50 + 5, 8


def regimen(*overrides: str, engine: Any = None) -> Regimen:
    """A small net of the catalogue in float64 on data of its own, ready for `train`."""
    defaults = ["name=test", "data=digits", f"batch_size={BATCH}", "epochs=1", "model.hidden=[12,9]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = trial.plain(compose("train", overrides=[*defaults, *overrides]))
    parts = examples() * 3
    split = Split(*parts, n_inputs=20, n_outputs=3, binary=False, n_classes=3, class_names=("a", "b", "c"), manifest={})
    torch.manual_seed(5)
    module = trial.compose(config, trial.read_settings(config), Spread(BATCH), split).double().train()
    if engine is not None:
        module.engine = engine
    return module


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (N, 20), float64, and labels 0-2."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(N, 20, generator=generator), torch.randint(0, 3, (N,), generator=generator)
    return x.double(), y


def train(module: Regimen, block: int = 10) -> dict[str, torch.Tensor]:
    """One epoch without Lightning; parameters, buffers and the epoch's sums."""
    torch.manual_seed(5)
    module.configure_optimizers()
    module.on_train_epoch_start()
    for index, indices in enumerate(Blocks(N, BATCH, 3, block)):
        module.training_step(indices, index)
    return {**module.net.state_dict(), "sums": module._sums}


def assert_agree(ours: dict[str, torch.Tensor], plain: dict[str, torch.Tensor], rtol: float) -> None:
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, rtol=rtol, atol=rtol * 0.01, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture(autouse=True)
def no_matrix_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inplace, "LARGE", 1)


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
    engine = Compiled(tmp_path, steps=2)
    module = regimen(*overrides, engine=engine)
    assert_agree(train(module), train(regimen(*overrides)), 1e-6)
    assert engine.name == "compiled", engine.note


@pytest.mark.slow
def test_compiled_code_is_kept_where_it_was_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    # A width of its own, since a process that has such code already writes none.
    train(regimen("model.hidden=[7]", engine=Compiled(tmp_path, steps=2)))
    assert list(tmp_path.rglob("*.so"))


def test_the_eager_engine_is_a_plain_loop_of_torchs_own_bit_for_bit() -> None:
    module = regimen("optimizer=sgd", "activation=relu")
    dense = [torch.nn.Linear(a, b).double() for a, b in ((20, 12), (12, 9), (9, 3))]
    plain = torch.nn.Sequential(dense[0], torch.nn.ReLU(), dense[1], torch.nn.ReLU(), dense[2])
    with torch.no_grad():
        for own, theirs in zip(plain.parameters(), module.net.parameters(), strict=True):
            own.copy_(theirs)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01)
    x, y = examples()
    for batch in Blocks(N, BATCH, 3).order(0).split(BATCH):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(plain(x[batch]), y[batch]).backward()
        optimizer.step()
    train(module)
    for own, theirs in zip(plain.parameters(), module.net.parameters(), strict=True):
        assert torch.equal(own, theirs)


def test_a_block_of_any_length_is_the_plain_loop_bit_for_bit() -> None:
    overrides = ["optimizer=nadam", "norm=batch", "regularization=dropout", "clip=norm"]
    once = train(regimen(*overrides), block=64)
    for block in (1, 7):
        for name, value in train(regimen(*overrides), block).items():
            if name != "sums":
                assert torch.equal(value, once[name]), name


@pytest.mark.parametrize(
    ("override", "why"),
    [("activation=rrelu", "rrelu"), ("probe=gradients", "probe")],
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


def test_a_trial_of_the_same_shape_is_compiled_once_in_a_process() -> None:
    seen = []

    def lower(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        seen.append(graph)
        return graph

    for overrides in (["optimizer.lr=0.01"], ["optimizer.lr=0.02", "seed=3"], ["model.hidden=[12,8]"]):
        sums = train(regimen(*overrides, engine=Compiled(lower=lower)))["sums"]
        assert_agree({"sums": sums}, {"sums": train(regimen(*overrides))["sums"]}, 1e-6)
    assert len(seen) == 2


@pytest.mark.parametrize("technique", QUICK)
def test_a_fleet_on_a_processor_is_each_trial_on_its_own(technique: str) -> None:
    assert assert_fleet_agrees(technique, Apart) == "traced"


@pytest.mark.parametrize("technique", QUICK)
def test_a_fleet_as_on_a_gpu_is_each_trial_on_its_own(technique: str) -> None:
    assert assert_fleet_agrees(technique, Stacked) == "traced"


# Dropout's whole numbers are where a compiler can go wrong unnoticed: that one is no slow test.
@pytest.mark.parametrize(
    "technique",
    [name if name == "regularization=dropout" else pytest.param(name, marks=pytest.mark.slow) for name in TECHNIQUES],
)
def test_a_compiled_fleet_is_each_trial_on_its_own(
    technique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    inductor = InPlace(Inductor(tmp_path))
    assert assert_fleet_agrees(technique, partial(Apart, lower=lambda size: inductor)) == "compiled"


def assert_fleet_agrees(technique: str, put_together: Callable[..., Stepping]) -> str:
    """How the steps were run: 50 of each of four trials, which agree with the plain loop's."""
    rates = (0.005, 0.01, 0.02, 0.04)
    spread = [[*SHARPER.get(technique, []), f"seed={i}"] for i in range(4)]
    if technique not in SHARPER:
        for overrides, rate in zip(spread, rates, strict=True):
            overrides.append(f"optimizer.lr={rate}")
    plain = [regimen(technique, *overrides) for overrides in spread]
    fleet = [regimen(technique, *overrides) for overrides in spread]
    orders = [next(iter(Blocks(N, BATCH, 3 + i, 50))) for i in range(4)]
    for module, order in zip(plain, orders, strict=True):
        module.configure_optimizers()
        module.on_train_epoch_start()
        module.training_step(order, 0)
    for module in fleet:
        module.configure_optimizers()
        module.data = fleet[0].data
    together = put_together([module.job() for module in fleet])
    sums = together.run(orders, [True] * 4)
    for i, (ours, theirs) in enumerate(zip(fleet, plain, strict=True)):
        together.save(i)
        assert_agree({"sums": sums[i]}, {"sums": theirs._sums}, 1e-6)  # the plain loop adds up in single precision
        assert_agree(ours.net.state_dict(), theirs.net.state_dict(), 1e-9)
        assert ours.actions.clipped_share == pytest.approx(theirs.actions.clipped_share)
        assert ours.actions.last_lr == theirs.actions.last_lr
    return together.how
