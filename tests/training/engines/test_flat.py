"""Parameters, gradients and optimiser state as vectors: the same numbers in other memory."""

import pytest
import torch
from torch import nn

from regimens.training import optimizers
from regimens.training.engines.compiled import Compiled
from regimens.training.engines.flat import LINE, Flat
from regimens.training.engines.pieces import Lowers
from regimens.training.engines.trace_cache import as_traced
from tests.training.small_modules import regimen, train


def network() -> nn.Sequential:
    net = nn.Sequential(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.Linear(5, 3), nn.PReLU())
    net[1].bias.requires_grad_(False)
    return net


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adamw"])
def test_parameters_and_state_keep_values_shapes_and_order_in_memory(name: str) -> None:
    net = network()
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = getattr(optimizers, name)(trained, lr=0.1)
    for p in trained:
        p.grad = torch.randn_like(p)
    optimizer.step()
    before = [(p.detach().clone(), p.stride(), {k: v.clone() for k, v in optimizer.state[p].items()}) for p in trained]
    flat = Flat(net, optimizer)
    for released in (False, True):
        if released:
            flat.release()
        for p, (value, stride, state) in zip(trained, before, strict=True):
            assert torch.equal(p, value)
            assert p.stride() == stride
            assert {k: v.tolist() for k, v in optimizer.state[p].items()} == {k: v.tolist() for k, v in state.items()}
    assert len({p.untyped_storage().data_ptr() for p in trained}) == len(trained)
    assert "1.bias" not in flat.gradients


def test_a_change_of_a_vector_is_a_change_of_the_network_and_kernels_come_first() -> None:
    net = network()
    optimizer = optimizers.adamw([p for p in net.parameters() if p.requires_grad], lr=0.1)
    flat = Flat(net, optimizer)
    kernels, others = flat.parts()
    assert [len(part) for part in (kernels, others)] == [4, 4]  # parameters, gradients, mean, square
    assert kernels[0].shape == (1, 112 + LINE)  # 4 x 3 x 3 x 3 and 3 x 5, each from a new line of the cache on
    assert others[0].ndim == 1
    kernels[0].fill_(2)
    others[0].fill_(3)
    assert net[0].weight.unique().tolist() == net[1].weight.unique().tolist() == [2]
    assert net[0].bias.unique().tolist() == net[2].weight.unique().tolist() == [3]
    assert 3 not in net[1].bias  # frozen


def test_parameters_of_two_types_are_refused() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(ValueError, match="several types"):
        Flat(net, optimizers.sgd(list(net.parameters()), lr=0.1))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "nadam"])
def test_after_training_a_network_has_memory_of_its_own(optimizer: str) -> None:
    engine = Compiled(lowers=Lowers(as_traced, as_traced))
    module = regimen(f"optimizer={optimizer}", engine=engine)
    train(module)
    parameters = list(module.net.parameters())
    values = [p.detach().clone() for p in parameters]
    assert len({p.untyped_storage().data_ptr() for p in parameters}) == 1
    engine.end()
    assert all(torch.equal(p, value) for p, value in zip(parameters, values, strict=True))
    for p in parameters:
        assert p.untyped_storage().nbytes() == p.nbytes
        for slot in module._optimizer.state[p].values():
            assert slot.shape == p.shape
            assert slot.untyped_storage().nbytes() == p.nbytes
