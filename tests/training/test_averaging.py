"""Averaged weights against their definitions, and what is judged by them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.data.loader import Blocks
from regimens.nets.norm import BatchNorm
from regimens.training import averaging
from regimens.training.averaging import Averaged, EpochMean, Exponential
from regimens.training.module import RegimenModule
from regimens.training.probes.gradient_flow import Probe
from tests.training.small_modules import BATCH, N, examples, regimen

STEPS = math.ceil(N / BATCH)
TRAJECTORY = ["optimizer=adam", "clip=norm", "regularization=max_norm", "regularization.max_norm=0.9"]


class Recorder(Probe):
    """Keeps the weights after every step, an epoch a list."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[list[Tensor]] = []

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append([])

    def after(self, net: nn.Module) -> None:
        self.epochs[-1].append(nn.utils.parameters_to_vector(net.parameters()).detach().clone())


def trained(*overrides: str, epochs: int = 2) -> tuple[RegimenModule, list[list[Tensor]], Tensor]:
    """A module after some epochs, the weights after each of its steps, and those that it is judged by."""
    module = regimen(*TRAJECTORY, *overrides)
    module.probe = recorder = Recorder()
    module.configure_optimizers()
    blocks = Blocks(N, BATCH, 3, 10)
    for epoch in range(epochs):
        module.begin_epoch(epoch)
        recorder.begin_epoch(epoch)
        for index, block in enumerate(blocks):
            module.training_step(block, index)
        judged = module.averaged.ready(module.net, module.data["train"][0])
    return module, recorder.epochs, nn.utils.parameters_to_vector(judged.parameters()).detach()


@pytest.mark.parametrize("every", [1, 3, 4])
def test_an_epochs_mean_is_the_mean_of_its_weights(every: int) -> None:
    module, epochs, judged = trained("average=epoch", f"average.every={every}")
    assert (len(epochs[-1]), module.averaged.every) == (STEPS, every)
    torch.testing.assert_close(judged, torch.stack(epochs[-1][every - 1 :: every]).mean(0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("every", "decay"), [(1, 0.9), (3, 0.9), (4, 0.99), (1, 0.0)])
def test_an_exponential_average_is_its_closed_formula(every: int, decay: float) -> None:
    """d^(n-1) w_1 + (1 - d) Σ d^(n-k) w_k, with d the decay of `every` steps."""
    _, epochs, judged = trained("average=ema", f"average.every={every}", f"average.decay={decay}")
    samples = torch.stack([w for epoch in epochs for w in epoch[every - 1 :: every]])
    n, d = len(samples), decay**every
    shares = torch.tensor([d ** (n - 1)] + [(1 - d) * d ** (n - k) for k in range(2, n + 1)], dtype=torch.float64)
    assert float(shares.sum()) == pytest.approx(1)
    torch.testing.assert_close(judged, shares @ samples, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("average", ["epoch", "ema"])
@pytest.mark.thorough
def test_training_goes_on_from_the_last_steps_weights_to_the_last_bit(average: str) -> None:
    overrides = ["norm=batch", "regularization.dropout=0.2"]
    plain, _, judged = trained(*overrides, "average=none")
    assert torch.equal(judged, nn.utils.parameters_to_vector(plain.net.parameters()))
    module, _, averaged = trained(*overrides, f"average={average}")
    assert all(torch.equal(module.net.state_dict()[key], value) for key, value in plain.net.state_dict().items())
    assert not torch.equal(averaged, judged)


@pytest.mark.parametrize(("steps", "every"), [(1719, 8), (64, 8), (63, 4), (45, 4), (31, 2), (15, 1), (3, 1)])
def test_short_epochs_are_sampled_more_often(steps: int, every: int) -> None:
    for technique in (EpochMean(), Exponential()):
        assert technique.over(steps).every == every
    assert EpochMean(3).over(45).every == 3


def test_an_epoch_too_short_for_a_sample_is_judged_by_its_last_weights() -> None:
    net = nn.Linear(2, 1)
    averaged = Averaged(net, EpochMean(5))
    for value in (1.0, 2.0):
        averaged.begin_epoch(net)
        for _ in range(3):
            nn.init.constant_(net.weight, value)
            averaged.stepped(net)
        assert torch.equal(averaged.ready(net, torch.zeros(1, 2)).weight, net.weight)  # type: ignore[arg-type]


def test_weights_averaged_within_a_bound_are_within_it() -> None:
    module, _, _ = trained("average=ema")
    norms = [torch.linalg.vector_norm(layer.linear.weight, dim=1).max() for layer in module.judged.layers[:-1]]
    assert all(norm <= 0.9 for norm in norms)


@pytest.mark.parametrize("few", [100, N])
@pytest.mark.parametrize("position", ["before", "after"])
def test_batch_norms_statistics_are_those_of_the_averaged_network(
    position: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averaging, "EXAMPLES", few)
    overrides = ["norm=batch", f"norm.position={position}", "norm.input=true", "regularization.dropout=0.3"]
    module, _, _ = trained("average=epoch", *overrides)
    seen: dict[nn.Module, Tensor] = {}
    norms = [norm for norm in module.judged.modules() if isinstance(norm, BatchNorm)]
    for norm in norms:
        norm.register_forward_hook(lambda norm, inputs, output: seen.update({norm: inputs[0]}))
    with torch.no_grad():
        module.judged(averaging.examples(module.data["train"][0]))
    assert len(seen) == len(norms) == 3
    for norm in norms:
        torch.testing.assert_close(norm.running_mean, seen[norm].mean(0), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(norm.running_var, seen[norm].var(0, correction=0), rtol=1e-9, atol=1e-9)


def test_a_frozen_batch_norm_keeps_its_statistics() -> None:
    module = regimen("norm=batch", "average=epoch")
    first = module.net.layers[0].norm
    with torch.no_grad():
        first.running_mean.fill_(0.25)
    # As a phase with one frozen block leaves it.
    first.eval()
    averaged = EpochMean().judged(module.net)
    averaged.begin_epoch(module.net)
    averaged.ready(module.net, examples()[0])
    first, second = (layer.norm for layer in averaged.of(module.net).layers[:2])  # type: ignore[union-attr]
    assert (first.running_mean == 0.25).all()
    assert not (second.running_mean == 0).any()


def test_the_examples_are_the_same_for_every_seed_and_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averaging, "EXAMPLES", 50)
    x = torch.arange(1000.0)[:, None]
    torch.manual_seed(1)
    one = averaging.examples(x)
    torch.manual_seed(2)
    assert torch.equal(one, averaging.examples(x))
    assert len(one.unique()) == 50
    assert one.min() < 100 < 900 < one.max()


def test_leaving_gives_the_network_its_averages_and_says_how_far_it_was() -> None:
    net = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 4.0]]))
    averaged = Averaged(net, EpochMean(1))
    averaged.begin_epoch(net)
    averaged.stepped(net)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 0.0]]))
    averaged.stepped(net)
    assert averaged.leave(net) == pytest.approx(2 / 3)
    assert net.weight.tolist() == [[3.0, 2.0]]


@pytest.mark.parametrize(
    ("technique", "arguments"),
    [
        (EpochMean, {"every": 0}),
        (EpochMean, {"every": 1.5}),
        (Exponential, {"decay": 1.0}),
        (Exponential, {"every": 0}),
    ],
)
def test_wrong_numbers_are_the_users_mistake(technique: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"^average.{next(iter(arguments))}="):
        technique(**arguments)
