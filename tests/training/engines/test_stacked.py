"""A fleet's step, each trial apart or many as one batched network: each learns what it learns on its own."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from regimens.data.loader import Blocks
from regimens.training.engines.apart import Apart
from regimens.training.engines.fleet import Stepping
from regimens.training.engines.inductor import Inductor
from regimens.training.engines.stacked import Stacked
from tests.training.small_modules import BATCH, QUICK, SHARPER, TECHNIQUES, N, assert_agree, judged, regimen


@pytest.mark.parametrize("technique", QUICK)
@pytest.mark.thorough
def test_a_fleet_on_a_processor_is_each_trial_on_its_own(technique: str) -> None:
    assert assert_fleet_agrees(technique, Apart) == "traced"


@pytest.mark.parametrize("technique", QUICK)
@pytest.mark.thorough
def test_a_fleet_as_on_a_gpu_is_each_trial_on_its_own(technique: str) -> None:
    assert assert_fleet_agrees(technique, Stacked) == "traced"


# Dropout's whole numbers are where a compiler can go wrong unnoticed: that one is no slow test.
@pytest.mark.parametrize(
    "technique",
    [name if name == "regularization=dropout" else pytest.param(name, marks=pytest.mark.slow) for name in TECHNIQUES],
)
@pytest.mark.thorough
def test_a_compiled_fleet_is_each_trial_on_its_own(
    technique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    inductor = Inductor(tmp_path)
    assert assert_fleet_agrees(technique, partial(Apart, lower=lambda size: inductor)) == "compiled"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_fleet_on_a_gpu_is_each_trial_on_its_own_on_a_processor(technique: str) -> None:
    assert assert_fleet_agrees(technique, Stacked, "cuda") == "traced"


def assert_fleet_agrees(technique: str, put_together: Callable[..., Stepping], device: str = "cpu") -> str:
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
    data = {part: tuple(each.to(device) for each in pair) for part, pair in fleet[0].data.items()}
    for module in fleet:
        module.to(device).configure_optimizers()
        module.data = data
        module.begin_epoch(0)
    together = put_together([module.job() for module in fleet])
    together.begin_epoch()
    sums = together.run(torch.stack([torch.cat(order) for order in orders]).to(device), BATCH, [True] * 4).cpu()
    together.validate(*fleet[0].data["val"], [True] * 4)
    for i, (ours, theirs) in enumerate(zip(fleet, plain, strict=True)):
        together.save(i)
        assert_agree({"sums": sums[i]}, {"sums": theirs._sums}, 1e-6)  # the plain loop adds up in single precision
        ours.cpu()
        assert_agree(ours.net.state_dict(), theirs.net.state_dict(), 1e-9)
        kept = {f"judged {name}": value for name, value in ours.judged.state_dict().items()}
        assert_agree(kept, judged(theirs), 1e-9)
        assert ours.actions.clipped_share == pytest.approx(theirs.actions.clipped_share)
        assert ours.actions.last_lr == theirs.actions.last_lr
    return together.how
