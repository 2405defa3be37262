"""What acted: each technique says what it did, and one that did nothing says that."""

import math

import pytest
import torch
from torch import nn

from regimens.nets.dropout import AlphaDropout, Dropout
from regimens.training.probes.acted import (
    Actions,
    Techniques,
    Trained,
    bound_share,
    dead_units,
    dropped_share,
    report,
    zero_share,
)
from regimens.training.regularization import Regularization
from tests.conftest import Train


def net_with(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), layer)


def entries(actions: Actions, scheduler: str = "constant", clip: str = "none", **numbers: float) -> dict[str, dict]:
    """The report on hand-fed actions, of a run that ended as planned."""
    regularization = Regularization(**numbers)  # type: ignore[arg-type]
    return report(
        actions, Techniques(clip=clip, scheduler=scheduler), regularization, Trained(3, 3), net_with(nn.ReLU())
    )


def after(*lrs: float) -> Actions:
    actions = Actions()
    for lr in lrs:
        actions.lr(lr)
    return actions


def test_nothing_in_use_is_nothing_to_report() -> None:
    assert entries(after(0.1)) == {}


def test_the_clipped_share_counts_steps() -> None:
    actions = after(0.1, 0.1, 0.1, 0.1)
    for clipped in (1.0, 0.0, 0.0, 1.0):
        actions.clipped(torch.tensor(clipped))
    entry = entries(actions, clip="value")["clip"]
    assert (entry["technique"], entry["acted"], entry["share"]) == ("value", True, 0.5)
    assert "50.0% of steps" in entry["what"]


def test_a_schedule_that_never_moved_says_so() -> None:
    entry = entries(after(0.1, 0.1), scheduler="exp")["scheduler"]
    assert entry["acted"] is False
    assert "stayed at 0.1" in entry["what"]
    moved = entries(after(0.1, 0.05, 0.2), scheduler="exp")["scheduler"]
    assert (moved["acted"], moved["lowest"], moved["highest"], moved["first"], moved["last"]) == (
        True, 0.05, 0.2, 0.1, 0.2,
    )  # fmt: skip


def test_a_plateau_schedule_acts_by_cutting_not_by_warming_up() -> None:
    warmed = entries(after(0.01, 0.05, 0.1, 0.1), scheduler="plateau")["scheduler"]
    assert (warmed["acted"], warmed["reductions"]) == (False, 0)
    assert "never cut" in warmed["what"]
    cut = entries(after(0.1, 0.1, 0.05, 0.05, 0.025), scheduler="plateau")["scheduler"]
    assert (cut["acted"], cut["reductions"]) == (True, 2)


def test_a_run_without_a_step_has_no_learning_rate_to_report() -> None:
    assert entries(Actions(), scheduler="exp")["scheduler"]["acted"] is False


def test_the_penaltys_share_of_the_loss() -> None:
    actions = after(0.1)
    actions.penalised(0.5, 2.0)
    entry = entries(actions, l1=0.1, l2=0.01)["penalty"]
    assert (entry["technique"], entry["acted"], entry["share"]) == ("l1_l2", True, 0.25)


@pytest.mark.parametrize(
    ("status", "epochs", "stopped"), [("completed", 2, True), ("completed", 9, False), ("diverged", 2, False)]
)
def test_only_a_completed_trial_was_stopped_early(status: str, epochs: int, stopped: bool) -> None:
    regularization = Regularization(patience=1)
    trained = Trained(epochs, 9, epochs, status)
    entry = report(after(0.1), Techniques(), regularization, trained, net_with(nn.ReLU()))["early_stopping"]
    assert entry["acted"] is stopped
    assert entry["epoch"] == epochs


def test_to_go_back_to_an_earlier_epoch_is_to_act() -> None:
    trained = Trained(epochs=8, planned=8, kept=6)
    entry = report(after(0.1), Techniques(), Regularization(patience=10), trained, net_with(nn.ReLU()))[
        "early_stopping"
    ]
    assert entry["acted"] is True
    assert entry["what"] == "never stopped in 8 of 8 epochs, went back to epoch 6"


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", [Dropout, AlphaDropout])
def test_the_dropped_share_is_measured(kind: type[Dropout], rate: float) -> None:
    net = net_with(kind(rate)).eval()
    state = torch.get_rng_state()
    share = dropped_share(net, kind)
    assert share == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 10_000))
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in net.modules())


def test_dropout_that_is_not_in_the_net_never_acted() -> None:
    assert dropped_share(net_with(nn.ReLU()), Dropout) == 0
    assert dropped_share(net_with(AlphaDropout(0.5)), Dropout) == 0
    assert entries(after(0.1), dropout=0.2)["dropout"]["acted"] is False


def test_shares_of_weights_and_units() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        net[1].weight.copy_(torch.tensor([[0.0, 9.0]]))
    assert zero_share(net) == 2 / 6
    assert bound_share(net, 5.0) == 0.5  # the output layer is not bounded
    assert bound_share(net, 6.0) == 0.0


def test_dead_units_are_those_that_no_example_wakes() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            block = nn.Sequential()
            block.add_module("linear", nn.Linear(1, 4))
            block.add_module("norm", nn.BatchNorm1d(4))
            block.add_module("activation", nn.ReLU())
            self.layers = nn.ModuleList([block, nn.Linear(4, 2)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    net = Net()
    with torch.no_grad():
        net.layers[0].linear.weight.copy_(torch.tensor([[1.0], [-1.0], [0.0], [0.0]]))
        net.layers[0].linear.bias.copy_(torch.tensor([0.0, 0.0, -1.0, 1.0]))
    net.eval()
    found = dead_units(net, torch.tensor([[2.0], [-2.0]]))["dead_units"]  # a unit that either of them wakes is not dead
    assert (found["share"], found["what"]) == (0.25, "25.0% of hidden units are zero for all of 2 validation examples")
    assert dead_units(net, torch.tensor([[2.0]]))["dead_units"]["share"] == 0.5


# The same, on real trials.


@pytest.mark.parametrize(("clip", "bound"), [("value", 0.0001), ("norm", 0.001), ("global_norm", 0.001)])
def test_a_clip_that_clips_and_one_that_never_does(clip: str, bound: float, train: Train) -> None:
    tight = train(f"clip={clip}", f"clip.bound={bound}").acted["clip"]
    assert (tight["technique"], tight["acted"], tight["share"]) == (clip, True, 1.0)
    loose = train(f"clip={clip}", "clip.bound=1000").acted["clip"]
    assert (loose["acted"], loose["share"]) == (False, 0.0)
    assert "0.0% of steps" in loose["what"]


def test_max_norm_that_binds_and_one_that_never_does(train: Train) -> None:
    tight = train("regularization=max_norm", "regularization.max_norm=0.1").acted["max_norm"]
    assert tight["acted"]
    assert 0 < tight["share"] <= 1
    assert tight["at_bound"] > 0.5
    loose = train("regularization=max_norm", "regularization.max_norm=1000").acted["max_norm"]
    assert (loose["acted"], loose["share"], loose["at_bound"]) == (False, 0.0, 0.0)


def test_early_stopping_that_stops_and_one_that_never_does(train: Train) -> None:
    stopped = train("regularization=early_stopping", "regularization.patience=2", "optimizer.lr=3", "epochs=40")
    entry = stopped.acted["early_stopping"]
    assert entry["acted"]
    assert entry["epoch"] == stopped.metrics["epochs"] < 40
    # The weights of the lowest validation loss come back.
    losses = [loss for loss in stopped.history["val/loss"] if loss is not None]
    assert stopped.metrics["val/loss"] == pytest.approx(min(losses), rel=1e-5)
    assert losses.index(min(losses)) + 1 == entry["epoch"] - 2
    assert train("regularization=early_stopping").acted["early_stopping"]["acted"] is False


def test_a_gap_is_that_of_the_epoch_whose_weights_are_kept(train: Train) -> None:
    rate = "optimizer.lr=3"
    result = train("regularization=early_stopping", "regularization.patience=10", rate, "epochs=8", into="kept")
    losses = result.history["val/loss"]
    best = losses.index(min(loss for loss in losses if loss is not None))
    assert best < len(losses) - 1  # else there is nothing to go back from
    assert result.acted["early_stopping"]["acted"] is True
    for name in ("train/loss", "train/accuracy"):
        assert result.metrics[name] == result.history[name][best]


@pytest.mark.thorough
def test_a_plateau_schedule_that_fires_and_one_that_never_does(train: Train) -> None:
    fired = train("scheduler=plateau", "scheduler.patience=1", "scheduler.min_delta=100", "epochs=5").acted["scheduler"]
    assert (fired["acted"], fired["reductions"]) == (True, 3)
    assert fired["lowest"] == pytest.approx(0.01 / 2**3)
    still = train("scheduler=plateau").acted["scheduler"]
    assert (still["acted"], still["reductions"]) == (False, 0)


def test_l1_reports_its_share_and_what_it_zeroed(train: Train) -> None:
    entry = train("regularization=l1").acted["penalty"]
    assert (entry["technique"], entry["acted"]) == ("l1", True)
    assert 0.5 < entry["share"] < 1
    assert 0 <= entry["zero_share"] <= 1
    assert train("init=zeros", "regularization=l1").acted["penalty"]["zero_share"] > 0.5


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
def test_dropout_reports_what_it_dropped(name: str, train: Train) -> None:
    entry = train(f"regularization={name}").acted[name]
    assert entry["acted"]
    assert entry["share"] == pytest.approx(0.2, abs=0.02)
