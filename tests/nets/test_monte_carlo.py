"""Monte Carlo dropout: right mean and spread, only dropout switched on, random state kept."""

import copy

import pytest
import torch
from torch import nn

from regimens.core.errors import UserError
from regimens.nets.dropout import AlphaDropout, Dropout
from regimens.nets.monte_carlo import mc_predict
from regimens.nets.norm import BatchNorm


@pytest.mark.thorough
def test_mean_and_spread_of_one_dropped_weight() -> None:
    net = nn.Sequential(Dropout(0.25), nn.Linear(1, 1, bias=False)).double()
    nn.init.ones_(net[1].weight)
    mean, spread = mc_predict(net, torch.full((1, 1), 3.0, dtype=torch.float64), 4000, seed=0)
    on, off = torch.sigmoid(torch.tensor(4.0)).item(), 0.5  # kept inputs are divided by 0.75
    assert mean.item() == pytest.approx(0.75 * on + 0.25 * off, abs=0.01)
    assert spread.item() == pytest.approx((on - off) * (0.75 * 0.25) ** 0.5, abs=0.01)


def test_equals_the_plain_formulas_over_the_same_samples() -> None:
    net = nn.Sequential(AlphaDropout(0.3), nn.Linear(6, 4)).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    mean, spread = mc_predict(net, x, 7, seed=3)
    net[0].draw_key(torch.Generator().manual_seed(3))
    samples = torch.stack([net(x).softmax(-1) for _ in range(7)]).detach()
    assert torch.allclose(mean, samples.mean(0), atol=1e-12)
    assert torch.allclose(spread, samples.std(0, correction=0), atol=1e-12)


def test_without_dropout_the_spread_is_zero() -> None:
    mean, spread = mc_predict(nn.Linear(3, 2), torch.randn(4, 3), 5, seed=0)
    assert torch.allclose(mean.sum(-1), torch.ones(4))
    assert torch.equal(spread, torch.zeros(4, 2))


def test_modes_running_statistics_random_state_and_the_masks_to_come_are_kept() -> None:
    net = nn.Sequential(BatchNorm(3), Dropout(0.5), nn.Linear(3, 2))
    net[0].eval()
    before, state, unused = net[0].running_mean.clone(), torch.get_rng_state(), copy.deepcopy(net[1])
    mc_predict(net, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), 3, seed=1)
    assert [module.training for module in net] == [False, True, True]
    assert torch.equal(net[0].running_mean, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(net[1](torch.ones(100)), unused(torch.ones(100)))


def test_no_samples_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="mc_samples"):
        mc_predict(nn.Linear(1, 1), torch.ones(1, 1), 0, seed=0)
