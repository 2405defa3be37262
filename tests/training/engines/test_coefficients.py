"""The coefficients of the steps to come: to the bit those of the plain loop, whoever else is asked about."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from regimens.training import optimizers
from regimens.training.engines.coefficients import coefficients
from regimens.training.probes.acted import Actions

NAMES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam", "adamw")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trials", [1, 3])
def test_they_are_the_plain_loops(name: str, trials: int) -> None:
    made = [[getattr(optimizers, name)([torch.ones(2, requires_grad=True)]) for _ in range(trials)] for _ in range(2)]
    rates = np.random.default_rng(0).uniform(0.001, 0.1, (2, 7, trials))
    for part in rates:
        found = coefficients(made[0], part)
        for i, optimizer in enumerate(made[1]):
            group = optimizer.param_groups[0]
            plain = []
            for lr in part[:, i]:
                group["lr"] = float(lr)
                plain.append(optimizer.tick(group))
            assert found[:, i].tolist() == [list(row) for row in plain]


def test_learning_rates_are_counted_as_one_by_one() -> None:
    rates = [0.1, 0.1, 0.05, 0.2, 0.01, 0.01]
    together, single = Actions(), Actions()
    for part in (rates[:1], rates[1:4], rates[4:]):
        together.lrs(part)
    for lr in rates:
        single.lr(lr)
    assert vars(together) == vars(single)
    assert together.reductions == sum(now < before for before, now in pairwise(rates))
