"""Mixup: the loss is that of mixed examples with mixed labels, and its shares are from a beta distribution."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from regimens.core.errors import UserError
from regimens.training.mixup import Shares
from regimens.training.regularization import Regularization
from tests.conftest import Train
from tests.training.small_modules import BATCH, Blocks, N, regimen


def test_a_step_is_one_on_mixed_examples_and_labels() -> None:
    """By autograd on soft labels, which the step itself does not use."""
    module = regimen("regularization=mixup", "regularization.mixup=0.7", "optimizer=sgd")
    alike = regimen("optimizer=sgd")
    alike.net.load_state_dict(module.net.state_dict())
    module.shares.draw = lambda: 0.8  # type: ignore[method-assign]
    module.configure_optimizers()
    module.on_train_epoch_start()
    indices = next(iter(Blocks(N, BATCH, 3, 1)))[0]
    x, y = (part[indices] for part in module.data["train"])
    labels = functional.one_hot(y, 3).double()
    mixed, soft = (0.8 * one + 0.2 * one.roll(1, 0) for one in (x, labels))
    loss = functional.cross_entropy(alike.net(mixed), soft)
    loss.backward()
    module.training_step([indices], 0)
    for p, q in zip(module.net.parameters(), alike.net.parameters(), strict=True):
        assert q.grad is not None
        torch.testing.assert_close(p, q - 0.01 * q.grad)
    assert float(module._sums[0]) == pytest.approx(float(loss.detach()) * BATCH)
    assert module.actions.mixed_share == pytest.approx(0.2)


def test_shares_are_the_larger_part_of_a_beta_distribution() -> None:
    torch.manual_seed(1)
    shares = np.array([one.draw() for one in [Shares(0.2)] for _ in range(4000)])
    assert shares.min() >= 0.5
    expected = np.random.default_rng(5).beta(0.2, 0.2, 4000)
    expected = np.maximum(expected, 1 - expected)
    assert shares.mean() == pytest.approx(expected.mean(), abs=0.01)
    assert shares.std() == pytest.approx(expected.std(), abs=0.01)


def test_without_it_no_random_number_is_drawn() -> None:
    torch.manual_seed(1)
    Shares(0.0)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_it_trains_is_told_and_repeats(train: Train) -> None:
    results = [train("regularization=mixup", "engine=compiled", into=name) for name in "ab"]
    assert results[0].acted["mixup"]["acted"]
    assert 0.02 < results[0].acted["mixup"]["share"] < 0.2
    assert results[0].metrics["val/loss"] == results[1].metrics["val/loss"]
    assert "mixup" in results[0].provenance["engine_note"]


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(UserError, match=r"regularization\.mixup"):
        Regularization(mixup=-0.1)
