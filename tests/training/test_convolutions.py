"""Every technique of the catalogue on convolutional networks: alone, in compiled blocks, reused, and predicting."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from regimens.core.errors import UserError
from regimens.inference import predict
from regimens.training.engines.compiled import Compiled
from regimens.training.engines.pieces import Lowers
from regimens.training.engines.trace_cache import as_traced
from tests.conftest import CONF, Train
from tests.training.small_modules import SHARPER, assert_agree, regimen, train

SMALL = {
    "cnn": ["model=cnn", "model.layers=[{channels: 3, pool: 2}, {channels: 4}]", "model.hidden=[6]"],
    "resnet": ["model=resnet", "model.widths=[3,4]", "model.blocks=1", "model.hidden=[]"],
}
GROUPS = ("init", "activation", "norm", "regularization", "clip", "optimizer", "scheduler", "average", "transfer")
OPTIONS = sorted(
    f"{group}={path.stem}" for group in GROUPS for path in (CONF / group).glob("*.yaml") if path.stem != "from_a"
)
STANDARD = ("norm=batch", "regularization=max_norm", "activation=prelu", "transfer=autoencoder")
STEPPED = ("norm=batch", "norm=layer", "regularization=dropout", "regularization=max_norm", "regularization=l1_l2")


@pytest.mark.parametrize(
    "option", [name if name in STANDARD else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS]
)
@pytest.mark.parametrize("kind", SMALL)
def test_a_technique_trains_and_is_watched(kind: str, option: str, train: Train) -> None:
    # Exponentials of exponentials overflow from weights and steps of the usual size.
    small = ["init=random_normal", "optimizer.lr=0.00001"] if option == "activation=exponential" else []
    result = train(*SMALL[kind], option, *small, "probe=gradients", "epochs=1", "advice=off")
    assert result.status == "completed"
    assert math.isfinite(result.metrics["val/loss"] or math.nan)
    assert result.gradient_flow
    convolutions = {"cnn": 2, "resnet": 5}[kind]
    layers = [f"conv {i + 1}" for i in range(convolutions)] + [f"dense {convolutions + 1}"]
    assert result.gradient_flow["layers"] == [*layers, *(["dense 4"] if kind == "cnn" else [])]


@pytest.mark.parametrize(
    ("kind", "technique"),
    [
        (kind, name) if kind == "cnn" or name == "norm=batch" else pytest.param(kind, name, marks=pytest.mark.thorough)
        for kind in SMALL
        for name in STEPPED
    ],
)
def test_compiled_blocks_are_the_plain_loop(kind: str, technique: str) -> None:
    # A layer norm of three channels multiplies rounding a thousandfold where they are alike: small steps, no chaos.
    slow = ["optimizer.lr=0.0001"] if technique == "norm=layer" else []
    overrides = [*SMALL[kind], technique, *SHARPER.get(technique, []), *slow]
    engine = Compiled(lowers=Lowers(as_traced, as_traced))
    ours, plain = (regimen(*overrides, engine=one, shape=(4, 5)) for one in (engine, None))
    assert_agree(train(ours), train(plain), 1e-6)
    assert engine.name == "compiled", engine.note
    assert ours.actions.constrained_share == pytest.approx(plain.actions.constrained_share)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_compiled_code_agrees_with_the_plain_loop(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    engine = Compiled(cache=tmp_path)
    ours, plain = (regimen(*SMALL[kind], "norm=batch", engine=one, shape=(4, 5)) for one in (engine, None))
    assert_agree(train(ours), train(plain), 1e-6)
    assert engine.name == "compiled", engine.note


@pytest.mark.parametrize("kind", SMALL)
def test_the_first_layers_of_a_trained_network_are_reused(kind: str, train: Train, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    train(*SMALL[kind], "task=a", into="a")
    reuse = ["task=b", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "transfer.reuse=2"]
    train(*SMALL[kind], *reuse, "transfer.freeze_epochs=2", into="b")
    a, b = (load_file(tmp_path / name / "final.safetensors") for name in "ab")
    alike = [name for name in a if name in b and name.endswith("weight") and torch.equal(a[name], b[name])]
    assert {name.split(".")[1] for name in alike} == {"0", "1"}
    assert len(alike) == {"cnn": 2, "resnet": 3}[kind]


@pytest.mark.parametrize("kind", SMALL)
def test_what_was_trained_predicts_pictures_in_any_layout(kind: str, train: Train, tmp_path: Path) -> None:
    result = train(*SMALL[kind], "norm=batch", "norm.position=before", "epochs=3")
    model, plain = (predict.load(tmp_path / "trial", fused=fused) for fused in (True, False))
    x = np.random.default_rng(0).integers(0, 17, (9, 8, 8)).astype(np.float64)
    assert np.allclose(model.probabilities(x), model.probabilities(x.reshape(9, 64)))
    assert np.allclose(model.probabilities(x), plain.probabilities(x), atol=1e-5)
    assert result.metrics["time/predict_fused"] is not None


def test_residual_blocks_cannot_be_left_out(train: Train, tmp_path: Path) -> None:
    train(*SMALL["resnet"], "task=a", into="a")
    reuse = ["task=b", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "transfer.top=drop"]
    with pytest.raises(UserError, match=r"there are 3 blocks before them: reuse 3 or more"):
        train(*SMALL["resnet"], *reuse, "transfer.reuse=2", into="b")
    result = train(*SMALL["resnet"], "model.hidden=[]", *reuse, "transfer.reuse=3", into="c")
    assert result.status == "completed"
