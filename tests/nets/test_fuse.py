"""A fused network gives the same logits without its batch normalisation, wherever that stood."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from regimens.core import terminal
from regimens.nets.dropout import Dropout
from regimens.nets.fuse import fuse, seconds_saved
from regimens.nets.mlp import MLP
from regimens.nets.norm import BatchNorm, Norm
from regimens.training.regularization import Regularization
from tests.conftest import Train


def trained(norm: Norm, dropout: float = 0.0) -> MLP:
    torch.manual_seed(0)
    net = MLP(20, 4, [30, 10, 15], nn.init.xavier_uniform_, nn.SELU, norm, Regularization(dropout=dropout))
    for module in net.modules():
        if isinstance(module, BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    for _ in range(100):
        net(3 * torch.randn(32, 20) + 1)
    return net


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("inputs", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_logits_are_equal(position: str, inputs: bool, dropout: float) -> None:
    net = trained(Norm(BatchNorm, position, inputs), dropout)  # type: ignore[arg-type]
    fused = fuse(net)
    x = torch.randn(50, 20)
    assert (net.eval()(x) - fused(x)).abs().max() < 1e-5
    assert (net.double()(x.double()) - fuse(net)(x.double())).abs().max() < 1e-12
    kinds = {type(module) for module in fused.modules()}
    assert not kinds & {BatchNorm, Dropout}
    assert not fused.training


def test_layer_normalisation_stays() -> None:
    net = trained(Norm(nn.LayerNorm, "after", True))
    x = torch.randn(50, 20)
    assert torch.allclose(net.eval()(x), fuse(net)(x), atol=1e-6)


def test_original_is_left_alone() -> None:
    net = trained(Norm(BatchNorm, "after", True))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fuse(net)
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_time_is_measured_for_both() -> None:
    plain, fused = seconds_saved(trained(Norm(BatchNorm)), torch.randn(8, 20), repeats=3)
    assert plain > 0
    assert fused > 0


def test_a_trial_with_batch_normalisation_reports_the_time_that_folding_it_saves(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train("norm=batch", "epochs=1")
    assert result.metrics["time/predict"] is not None
    assert result.metrics["time/predict_fused"] is not None
    terminal.summary(result, tmp_path, None)
    assert re.search(r"batch norm: folded .* takes .* ms instead of .* ms \(-?\d+% saved\)", capsys.readouterr().out)
    assert "time/predict" not in train("norm=layer", "epochs=1", into="layer").metrics
