"""Small networks of the catalogue, ready for their first step, on which engines are compared."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.training.ddp import Spread
from regimens.training.module import RegimenModule
from regimens.trial import composition
from regimens.trial.regimen import plain
from regimens.trial.settings import read_settings
from tests.conftest import CONF

GROUPS = ("activation", "norm", "regularization", "clip", "optimizer", "scheduler", "average")
# Stepped by the plain loop alone.
NOT_FUNCTIONAL = ("rrelu", "muon", "schedule_free", "mixup")
TECHNIQUES = sorted(
    f"{group}={path.stem}"
    for group in GROUPS
    for path in (CONF / group).glob("*.yaml")
    if path.stem not in NOT_FUNCTIONAL
)
# A full comparison takes minutes: these few stand for it, the rest is slow.
STANDARD = {"optimizer=sgd", "optimizer=nadam", "norm=batch", "regularization=dropout", "clip=global_norm"}
STANDARD |= {"average=epoch", "average=ema"}
QUICK = [name if name in STANDARD else pytest.param(name, marks=pytest.mark.slow) for name in TECHNIQUES]
# What acts in only a few of the catalogue's own numbers is given numbers under which it acts here.
SHARPER = {
    "clip=value": ["clip.bound=0.01"],
    "clip=norm": ["clip.bound=0.05"],
    "clip=global_norm": ["clip.bound=0.1"],
    "regularization=max_norm": ["regularization.max_norm=0.9"],
    "average=epoch": ["average.every=3", "norm=batch"],  # 3: no sample is due within a run of two steps
    "average=ema": ["norm=batch", "norm.position=before", "optimizer=nadam"],
    "activation=exponential": ["optimizer.lr=0.00001", "model.hidden=[6]"],
}
N, BATCH = 8 * 50 + 5, 8


def regimen(*overrides: str, engine: Any = None, shape: tuple[int, ...] = (20,)) -> RegimenModule:
    """A small net of the catalogue in float64 on data of its own, of examples of `shape`, ready for `train`."""
    defaults = ["name=test", "data=digits", f"batch_size={BATCH}", "epochs=1", "model.hidden=[12,9]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = plain(compose("train", overrides=[*defaults, *overrides]))
    parts = examples() * 3
    sizes: dict[str, Any] = {"n_inputs": 20, "n_outputs": 3, "binary": False, "n_classes": 3}
    inputs: Any = SimpleNamespace(shape=shape)
    split = Split(*parts, **sizes, class_names=("a", "b", "c"), manifest={}, inputs=inputs)
    torch.manual_seed(5)
    module = composition.build_module(config, read_settings(config), Spread(BATCH), split).double().train()
    if engine is not None:
        module.engine = engine
    return module


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (N, 20), float64, and labels 0-2."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(N, 20, generator=generator), torch.randint(0, 3, (N,), generator=generator)
    return x.double(), y


def train(module: RegimenModule, block: int = 10) -> dict[str, torch.Tensor]:
    """One epoch without Lightning; parameters, buffers, what is judged, and the epoch's sums."""
    torch.manual_seed(5)
    module.configure_optimizers()
    module.on_train_epoch_start()
    for index, indices in enumerate(Blocks(N, BATCH, 3, block)):
        module.training_step(indices, index)
    return {**module.net.state_dict(), **judged(module), "sums": module._sums}


def judged(module: RegimenModule) -> dict[str, torch.Tensor]:
    """What stands for the network at the end of an epoch."""
    state = module.averaged.ready(module.net, module.data["train"][0]).state_dict()
    return {f"judged {name}": value for name, value in state.items()}


def assert_agree(ours: dict[str, torch.Tensor], plain: dict[str, torch.Tensor], rtol: float) -> None:
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, rtol=rtol, atol=rtol * 0.01, msg=lambda m, n=name: f"{n}: {m}")
