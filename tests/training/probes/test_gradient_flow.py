"""The gradient-flow probe: it shows vanishing gradients at a glance, changes nothing, and looks rarely."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from regimens.core.result import Result
from regimens.training.probes.gradient_flow import QUANTITIES, GradientFlow, Probe
from tests.conftest import Train

DEEP = ("model.hidden=[30,30,30,30,30,30,30,30,30,30,30,30,30,30,30,30,30,30,30,30]", "data.scale=standardize")


def first_to_last(result: Result) -> float:
    """The first layer's gradient norm as a share of the last hidden layer's, in the last epoch."""
    assert result.gradient_flow is not None
    norms = result.gradient_flow["gradient_norm"][-1]
    return norms[0] / norms[-2]


def test_gradients_vanish_through_sigmoids_and_not_through_selu(train: Train) -> None:
    sigmoid = train("experiment=vanishing", *DEEP, into="sigmoid")
    selu = train("experiment=self_normalizing_deep", *DEEP, into="selu")
    assert first_to_last(sigmoid) < 1e-6
    assert first_to_last(selu) > 0.1
    # The cause and the effect beside it: activations that barely vary, first layers that barely move.
    for result, lively in ((sigmoid, False), (selu, True)):
        flow = result.gradient_flow
        assert flow is not None
        assert (min(flow["activation_std"][-1]) > 0.3) is lively
        assert (flow["update_ratio"][-1][0] > 1e-5) is lively


def test_the_report_has_a_number_for_each_layer_and_epoch(train: Train) -> None:
    flow = train("probe=gradients", "epochs=3").gradient_flow
    assert flow is not None
    assert flow["layers"] == ["dense 1", "dense 2", "dense 3"]
    assert flow["epochs"] == [1, 2, 3]
    for name in QUANTITIES:
        assert [len(epoch) for epoch in flow[name]] == [3, 3, 3]
    assert all(0 <= share <= 1 for epoch in flow["saturated_share"] for share in epoch)


def test_without_the_probe_there_is_no_report(train: Train) -> None:
    assert train().gradient_flow is None
    assert Probe().report() is None


@pytest.mark.parametrize(
    "technique",
    ["norm=batch", "regularization=dropout", "activation=rrelu", "activation=prelu", "clip=norm", "activation=linear"],
)
def test_looking_changes_nothing(technique: str, train: Train, tmp_path: Path) -> None:
    runs = [train(technique, f"probe={probe}", into=probe) for probe in ("none", "gradients")]
    one, other = (load_file(tmp_path / probe / "final.safetensors") for probe in ("none", "gradients"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert runs[0].history["train/loss"] == runs[1].history["train/loss"]


class Block(nn.Sequential):
    def __init__(self, fan_in: int, fan_out: int, activation: nn.Module | None) -> None:
        super().__init__()
        self.linear = nn.Linear(fan_in, fan_out)
        if activation is not None:
            self.activation = activation


class Net(nn.Module):
    """Two dense blocks that count how often they are called."""

    def __init__(self, activation: nn.Module | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(3, 5, activation), Block(5, 2, None)])
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        for layer in self.layers:
            x = layer(x)
        return x


def look(net: Net, probe: GradientFlow, x: torch.Tensor, steps: int = 1, lr: float = 0.5) -> None:
    """One epoch of plain gradient descent under the probe."""
    probe.begin_epoch(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().sum().backward()
        probe.before(net, x)
        optimizer.step()
        probe.after(net)
    probe.end_epoch()


@pytest.mark.parametrize(("every", "steps", "sampled"), [(100, 1719, 18), (100, 40, 1), (10, 100, 10)])
def test_it_looks_at_few_steps(every: int, steps: int, sampled: int) -> None:
    """A look costs a forward pass and a little; at one step in a hundred that is far below a tenth of the training."""
    net = Net(nn.ReLU())
    look(net, GradientFlow(every), torch.ones(4, 3), steps, lr=0.0)
    assert net.calls == steps + sampled
    if steps > 1000:
        assert sampled / steps < 0.02
    assert GradientFlow().every >= 20


def test_the_numbers_are_what_they_say() -> None:
    torch.manual_seed(0)
    net, x = Net(nn.Tanh()), torch.randn(8, 3)
    before = [block.linear.weight.detach().clone() for block in net.layers]
    hidden = torch.tanh(net.layers[0].linear(x)).detach()
    logits = net(x)
    gradients = torch.autograd.grad(logits.square().sum(), [block.linear.weight for block in net.layers])
    probe = GradientFlow()
    look(net, probe, x, lr=0.01)
    report = probe.report()
    means = [float(hidden.mean()), float(logits.detach().mean())]
    assert report["activation_mean"][0] == pytest.approx(means, rel=1e-5)
    assert report["activation_std"][0][0] == pytest.approx(float(hidden.std(correction=0)), rel=1e-5)
    assert report["gradient_norm"][0] == pytest.approx([float(g.norm()) for g in gradients], rel=1e-5)
    moved = [0.01 * float(g.norm() / w.norm()) for g, w in zip(gradients, before, strict=True)]
    assert report["update_ratio"][0] == pytest.approx(moved, rel=1e-4)


@pytest.mark.parametrize(
    ("activation", "share"), [(nn.ReLU(), 3 / 5), (nn.LeakyReLU(0.3), 0.0), (nn.Sigmoid(), 2 / 5), (None, 0.0)]
)
def test_the_saturated_share_counts_flat_places(activation: nn.Module | None, share: float) -> None:
    net = Net(activation)
    with torch.no_grad():
        net.layers[0].linear.weight.zero_()
        net.layers[0].linear.bias.copy_(torch.tensor([-9.0, -1.0, -0.5, 0.5, 9.0]))
    probe = GradientFlow()
    look(net, probe, torch.ones(4, 3))
    assert probe.report()["saturated_share"][0] == pytest.approx([share, 0.0])


def test_one_example_with_one_logit_has_no_spread() -> None:
    net = Net(nn.ReLU())
    net.layers[1] = Block(5, 1, None)
    probe = GradientFlow()
    look(net, probe, torch.ones(1, 3))
    assert probe.report()["activation_std"][0][1] == 0.0
