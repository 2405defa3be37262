"""An update as a piece of its own: each of the catalogue's rules as it stands, and zeros in place of the gradients."""

import math

import pytest
import torch
from torch import Tensor, nn

from regimens.training import optimizers
from regimens.training.engines.all_updates import WIDTH, padded, update_of
from regimens.training.engines.flat import Flat
from regimens.training.engines.trace_cache import as_traced
from regimens.training.optimizers import RuleOptimizer
from regimens.training.updates import CATALOGUE, SGD, Adam, Momentum, Rule, family


class Elsewhere(Momentum):
    """A rule that is not the catalogue's."""


def subclasses(rule: type[Rule]) -> set[type[Rule]]:
    return {rule}.union(*(subclasses(one) for one in rule.__subclasses__()))


def test_the_catalogue_has_every_rule_with_a_state() -> None:
    ours = {one for one in subclasses(Rule) if one.__module__ == Rule.__module__ and not one.__name__.startswith("_")}
    assert set(CATALOGUE) == ours - {Rule, SGD}
    assert family(Momentum) == CATALOGUE
    assert family(Elsewhere) == (Elsewhere,)


@pytest.mark.parametrize("rule", [*CATALOGUE, Elsewhere])
def test_a_step_is_the_rules_own_and_leaves_zeros_in_place_of_gradients(rule: type[Rule]) -> None:
    net = nn.Linear(40, 30)
    optimizer = RuleOptimizer(net.parameters(), rule(), 0.01)
    flat = Flat(net, optimizer)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    gradients = {name: torch.randn_like(p) for name, p in net.named_parameters()}
    expected, states = {}, {}
    for name, p in before.items():
        states[name] = tuple(slot.clone() for slot in optimizer.slots(net.get_parameter(name)))
        expected[name] = p.clone()
        rule.update(expected[name], gradients[name], states[name], optimizer.rule.coefficients(1, 0.01))
    coefficients = padded(torch.tensor(optimizer.rule.coefficients(1, 0.01)))
    for name, place in flat.gradients.items():
        place.copy_(gradients[name])
    for part in flat.parts():
        update_of(rule, part, coefficients, as_traced)(coefficients)
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.detach(), expected[name])
        torch.testing.assert_close(optimizer.slots(p), states[name])
        assert not flat.gradients[name].any()


def test_gradients_that_are_no_numbers_are_gone_after_a_step() -> None:
    net = nn.Linear(3, 2)
    (part,) = Flat(net, optimizers.adam(list(net.parameters()), lr=0.1)).parts()
    coefficients = torch.ones(WIDTH)
    update = update_of(Adam, part, coefficients, as_traced)
    for value in (math.inf, -math.inf, math.nan):
        part[1].fill_(value)
        update(coefficients)
        assert part[1].tolist() == [0] * len(part[1])


def test_coefficients_are_padded_to_one_width_and_more_of_them_are_kept() -> None:
    def rows(n: int) -> Tensor:
        return torch.ones(5, n)

    assert padded(rows(3)).shape == (5, WIDTH)
    assert padded(rows(3)).sum() == 15
    assert padded(rows(WIDTH + 2)).shape == (5, WIDTH + 2)


def test_one_function_serves_all_rules_of_the_catalogue() -> None:
    lowered = []

    def lower(function, inputs):
        lowered.append(len(inputs))
        return as_traced(function, inputs)

    for rule in (CATALOGUE[0], CATALOGUE[-1]):
        net = nn.Linear(4, 3)
        flat = Flat(net, RuleOptimizer(net.parameters(), rule(), 0.01))
        update_of(rule, flat.parts()[0], torch.ones(WIDTH), lower)
    assert len(lowered) == 1
