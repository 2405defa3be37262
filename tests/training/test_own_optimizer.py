"""Optimisers of the user's own: what they are given, and what is refused before anything is trained."""

import math
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from regimens.core import plugins
from regimens.core.errors import UserError
from regimens.training.own_optimizer import maker, to_train
from tests.conftest import CONF, Train

HERE = "tests.training.own_optimizers"


@pytest.fixture(autouse=True)
def permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_permitted", ("tests",))


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def made(target: str, module: nn.Module, lr: float | None = None, **values: Any) -> torch.optim.Optimizer:
    return maker({"_target_": target, "_partial_": True, **values}, module)(list(module.parameters()), lr)


def test_it_is_given_the_network_and_the_rate() -> None:
    own = made(f"{HERE}.Split", net(), lr=0.3, ratio=0.1, name="SGD")
    assert [group["lr"] for group in own.param_groups] == [0.3, pytest.approx(0.03)]
    assert [len(group["params"]) for group in own.param_groups] == [2, 2]
    assert made(f"{HERE}.Split", net()).param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (f"{HERE}.Half", r"leaves out 2 of 4 parameters, such as 0\.bias, which would never learn"),
        (f"{HERE}.NoRate", "has a group of parameters without lr"),
        (f"{HERE}.Breaking", r"its constructor fails: RuntimeError: no such luck \(own_optimizers\.py, line \d+\)"),
        (f"{HERE}.nothing", r"gives str, which is no torch\.optim\.Optimizer"),
        (f"{HERE}.absent", "there is no such class"),
        ("torch.optim.LBFGS", r"its step\(\) needs closure"),
    ],
)
def test_what_cannot_train_is_refused_in_a_line(target: str, message: str) -> None:
    module, node = net(), {"_target_": target, "_partial_": True, "name": "SGD", "lr": 0.01}
    with pytest.raises(UserError, match=message) as caught:
        maker(node, module)(list(module.parameters()), None)
    assert "\n" not in str(caught.value)


def test_a_key_that_it_does_not_take_is_named() -> None:
    with pytest.raises(UserError, match="unknown key 'speed'"):
        made(f"{HERE}.Split", net(), speed=2)
    with pytest.raises(UserError, match=r"NoRate: takes no lr, and transfer\.lr=0\.1"):
        maker({"_target_": f"{HERE}.NoRate", "_partial_": True}, net())([], 0.1)


def test_weights_for_evaluation_do_not_go_with_batch_norm() -> None:
    with pytest.raises(UserError, match="evaluates with other weights than it trains with"):
        made(f"{HERE}.Swapping", nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), lr=0.1)


def test_a_decoder_is_no_part_of_the_network_that_it_is_given(train: Train) -> None:
    own = ["plugins=[tests]", f"optimizer._target_={HERE}.Split"]
    with pytest.raises(UserError, match="trains a decoder that is not part of it"):
        train(*own, "transfer=autoencoder")


def test_two_groups_follow_a_schedule(train: Train) -> None:
    result = train("plugins=[tests]", f"optimizer._target_={HERE}.Split", "scheduler=exp", "engine=compiled")
    assert result.status == "completed"
    assert result.acted["scheduler"]["acted"]
    assert result.provenance["engine"] == "eager"
    assert "Split is not one of" in result.provenance["engine_note"]


def test_schedule_free_weights_are_the_mean_of_where_its_steps_lead() -> None:
    """By the paper's formulas (without warm-up the weight of step t in the mean is 1 / t), in double precision."""
    module = nn.Linear(3, 2).double()
    start = module.weight.detach().clone()
    optimizer = maker(yaml.safe_load((CONF / "optimizer" / "schedule_free.yaml").read_text()), module)(
        list(module.parameters()), 0.01
    )
    x, z, v = start.clone(), start.clone(), torch.zeros_like(start)
    generator = torch.Generator().manual_seed(1)
    for t in range(1, 8):
        to_train(optimizer, True)
        torch.testing.assert_close(module.weight.detach(), 0.9 * x + 0.1 * z)
        g = torch.randn(2, 3, generator=generator, dtype=torch.float64)
        module.weight.grad = g.clone()
        optimizer.step()
        v = 0.999 * v + 0.001 * g**2
        z = z - 0.01 * g / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        x = (1 - 1 / t) * x + z / t
        to_train(optimizer, False)
        torch.testing.assert_close(module.weight.detach(), x)


@pytest.mark.thorough
def test_schedule_free_training_does_not_go_with_batch_norm(train: Train) -> None:
    result = train("optimizer=schedule_free", "optimizer.lr=0.01", "epochs=4")
    assert result.status == "completed"
    assert (result.metrics["val/loss"] or 9) < 2.1
    with pytest.raises(UserError, match="AdamWScheduleFree: evaluates with other weights"):
        train("optimizer=schedule_free", "norm=batch", into="b")
    with pytest.raises(UserError, match="averages the weights itself: average=none"):
        train("optimizer=schedule_free", "average=ema", into="c")


def test_weights_for_evaluation_are_those_that_are_judged_and_kept(train: Train) -> None:
    result = train("plugins=[tests]", f"optimizer._target_={HERE}.Swapping", "optimizer.lr=0.1", "epochs=3")
    assert result.metrics["val/loss"] == pytest.approx(math.log(10), abs=1e-5)
    assert (result.metrics["train/loss"] or 9) < 2.2
