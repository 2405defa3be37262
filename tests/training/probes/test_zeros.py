"""Weights at and near zero, and the network without them."""

import pytest
import torch
from torch import nn

from regimens.nets.mlp import kernels
from regimens.training.probes.acted import zero_share
from regimens.training.probes.zeros import NEAR, near_share, pruned
from tests.conftest import Train


def test_shares_are_counted_over_all_kernels_and_no_biases() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
        net[0].weight[0] = torch.tensor([0.0, NEAR / 2, -NEAR / 2, NEAR * 2])
        net[0].bias.zero_()
    assert near_share(net) == pytest.approx(3 / 18)
    sparse = pruned(net)
    assert zero_share(sparse) == pytest.approx(3 / 18)
    assert zero_share(net) == pytest.approx(1 / 18)  # the network itself stays as it was
    for name, weight in kernels(net).items():
        kept = weight.abs() >= NEAR
        assert torch.equal(kernels(sparse)[name][kept], weight[kept])


def test_a_trial_tells_its_zeros_and_what_it_does_without_them(train: Train) -> None:
    asked = ("optimizer=nadam", "scheduler=cosine", "epochs=5", "probe=zeros", "test=true")
    plain = train(*asked, into="plain")
    sparse = train(*asked, "regularization=l1", "regularization.l1=0.01", into="sparse")
    for result in (plain, sparse):
        assert 0 <= (result.metrics["zeros/exact_share"] or 0) <= (result.metrics["zeros/near_share"] or 0) <= 1
        for part in ("val", "test"):
            whole, without = result.metrics[f"{part}/accuracy"], result.metrics[f"{part}/pruned_accuracy"]
            assert whole is not None and without == pytest.approx(whole, abs=0.05)
    assert (sparse.metrics["zeros/near_share"] or 0) > 5 * (plain.metrics["zeros/near_share"] or 0)


def test_nothing_is_told_of_them_unasked(train: Train) -> None:
    assert not [name for name in train("epochs=1").metrics if "zeros" in name or "pruned" in name]
