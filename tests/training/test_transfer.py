"""Transfer: what is copied, what stands still, what starts afresh, and what cannot be reused."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.training import transfer
from regimens.training.transfer import Autoencoder, FromA, NoTransfer, load_weights
from tests.conftest import Train

B = ("task=b", "transfer=from_a", "transfer.reuse=2", "test=true")
TRAINED = "linear.weight"


def weights(directory: Path) -> dict[str, Tensor]:
    return load_file(directory / "final.safetensors")


@pytest.fixture
def a(train: Train, tmp_path: Path) -> Path:
    """A network trained on task A, with batch norm of its inputs and its layers."""
    assert train("task=a", "norm=batch", "norm.input=true", into="a").status == "completed"
    return tmp_path / "a"


def reused(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The hidden layers' part of a state: kernels, biases and batch norm's statistics."""
    return {name: value for name, value in state.items() if name.startswith(("layers.0.", "layers.1."))}


def test_frozen_layers_are_the_copied_ones_bit_for_bit(a: Path, train: Train, tmp_path: Path) -> None:
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in a.iterdir()}
    norm = ("norm=batch", "norm.input=true", f"transfer.checkpoint={a}")
    train(*B, *norm, "epochs=3", "transfer.freeze_epochs=3", into="b")
    old, new = weights(a), weights(tmp_path / "b")
    assert any("running_mean" in name for name in reused(old))
    assert reused(old).keys() == reused(new).keys()
    for name, value in reused(old).items():
        assert torch.equal(value, new[name]), name
    assert new["layers.2.linear.weight"].shape == (1, 8)
    assert before == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in a.iterdir()}


def test_after_the_freeze_all_layers_learn(a: Path, train: Train, tmp_path: Path) -> None:
    norm = ("norm=batch", "norm.input=true", f"transfer.checkpoint={a}")
    train(*B, *norm, "epochs=3", "transfer.freeze_epochs=1", into="b")
    old, new = weights(a), weights(tmp_path / "b")
    assert not any(torch.equal(value, new[name]) for name, value in reused(old).items() if TRAINED in name)


def test_each_phase_has_a_fresh_optimiser_and_its_own_learning_rate(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    result = train(
        *B, f"transfer.checkpoint={tmp_path / 'a'}", "epochs=4", "transfer.freeze_epochs=2", "transfer.lr=0.002",
        "optimizer=momentum", "scheduler=exp", "scheduler.s=1", into="b",
    )  # fmt: skip
    # The schedule starts again too: 0.01, 0.001, then from 0.002.
    assert result.history["lr"] == pytest.approx([0.01, 0.001, 0.002, 0.0002])
    assert result.metrics["test/accuracy"] is not None


def test_top_drop_leaves_the_layers_above_out(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    train(
        "task=b",
        "transfer=from_a",
        "transfer.reuse=1",
        "transfer.top=drop",
        f"transfer.checkpoint={tmp_path}/a",
        into="b",
    )
    shapes = {name: tuple(value.shape) for name, value in weights(tmp_path / "b").items() if TRAINED in name}
    assert shapes == {"layers.0.linear.weight": (16, 64), "layers.1.linear.weight": (1, 16)}


def test_top_replace_draws_the_layers_above_anew(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    train(
        "task=b", "transfer=from_a", "transfer.reuse=1", "transfer.freeze_epochs=2",
        f"transfer.checkpoint={tmp_path}/a/final.safetensors", into="b",
    )  # fmt: skip
    old, new = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert torch.equal(old["layers.0.linear.weight"], new["layers.0.linear.weight"])
    assert not torch.equal(old["layers.1.linear.weight"], new["layers.1.linear.weight"])


def test_more_layers_than_there_are(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    with pytest.raises(UserError, match=r"transfer.reuse=9: the net has 2 hidden layers"):
        train("task=b", "transfer=from_a", "transfer.reuse=9", f"transfer.checkpoint={tmp_path}/a", into="b")


def test_another_shape_is_named_with_both_shapes(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    here = f"transfer.checkpoint={tmp_path}/a"
    with pytest.raises(UserError, match=r"hidden layer 2 is .*\(8, 16\).* this net's is .*\(9, 16\)"):
        train(*B, here, "model.hidden=[16,9]", into="b")
    train("task=a", "norm=batch", into="a")
    with pytest.raises(UserError, match=r"input norm is absent"):
        train(*B, here, "norm=batch", "norm.input=true", into="b")


def test_a_missing_checkpoint_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such run or file; train one with experiment=task_a"):
        load_weights(str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=r"transfer.checkpoint is not set"):
        FromA(None, 1, 0)


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def test_only_safetensors_are_read_and_nothing_is_unpickled(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    contents = {
        "empty": b"",
        "garbage": b"\x00garbage" * 50,
        "pickle": pickle.dumps(Bomb(exploded)),
        "truncated": b"",
    }
    save_file({"w": torch.zeros(100)}, tmp_path / "whole.safetensors")
    contents["truncated"] = (tmp_path / "whole.safetensors").read_bytes()[:-8]
    for name, content in contents.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"not a safetensors file of weights") as caught:
            load_weights(str(path))
        assert "\n" not in str(caught.value)
    assert not exploded.exists()


@pytest.mark.parametrize(
    "values",
    [{"reuse": -1}, {"reuse": 1.5}, {"freeze_epochs": -1}, {"freeze_epochs": None}, {"lr": 0}, {"top": "no"}],
)
def test_a_value_that_makes_no_sense_is_named(values: dict[str, object]) -> None:
    with pytest.raises(UserError, match=rf"transfer\.{next(iter(values))}="):
        FromA(**{"checkpoint": "a", "reuse": 1, "freeze_epochs": 0, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"epochs": 0}, {"batch_size": 0}, {"freeze_epochs": -1}, {"epochs": 1.5}])
def test_a_pre_training_that_makes_no_sense_is_named(values: dict[str, object]) -> None:
    with pytest.raises(UserError, match=rf"transfer\.{next(iter(values))}="):
        Autoencoder(**{"epochs": 1, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(("freeze", "epochs"), [(0, [5]), (2, [2, 3]), (5, [5]), (9, [5])])
def test_the_phases_add_up(freeze: int, epochs: list[int]) -> None:
    assert [phase.epochs for phase in FromA("a", 1, freeze).phases(5)] == epochs
    assert [phase.epochs for phase in Autoencoder(1, freeze).phases(5)] == epochs
    assert [phase.epochs for phase in NoTransfer().phases(5)] == [5]


def test_the_autoencoder_learns_to_rebuild_its_inputs(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    count: list[int] = []

    def watched(*args: Tensor) -> Tensor:
        loss = torch.mean((args[0] - args[1]) ** 2)
        losses.append(float(loss.detach()))
        count.append(len(args[1]))
        return loss

    monkeypatch.setattr(nn.functional, "mse_loss", watched)
    overrides = ("task=b", "transfer=autoencoder", "optimizer=nadam", "data.scale=standardize")
    result = train(*overrides, "transfer.epochs=20", "transfer.lr=0.01")
    per_epoch = len(losses) // 20
    # All images of task B without their labels, not the twenty that have one.
    assert sum(count[:per_epoch]) > 20
    first, last = losses[:per_epoch], losses[-per_epoch:]
    assert sum(last) < 0.9 * sum(first)
    assert result.status == "completed"


def test_pre_trained_layers_can_stand_still(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Tensor] = {}
    prepare = transfer.Autoencoder.prepare

    def watched(self: Autoencoder, net: nn.Module, *rest: object) -> None:
        prepare(self, net, *rest)  # type: ignore[arg-type]
        kept.update({name: value.clone() for name, value in net.state_dict().items()})

    monkeypatch.setattr(transfer.Autoencoder, "prepare", watched)
    train("task=b", "transfer=autoencoder", "transfer.epochs=1", "transfer.freeze_epochs=2")
    new = weights(tmp_path / "trial")
    for name, value in kept.items():
        assert torch.equal(value, new[name]) == name.startswith(("layers.0.", "layers.1.")), name


def test_the_autoencoder_sees_inputs_as_the_network_does() -> None:
    """With batch norm of the inputs, the pre-trained layers must have learnt from normalised ones."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input_norm = nn.BatchNorm1d(4)
            block = nn.Sequential()
            block.add_module("linear", nn.Linear(4, 2))
            head = nn.Sequential()
            head.add_module("linear", nn.Linear(2, 2))
            self.layers = nn.ModuleList([block, head])

    net = Net()
    x = 100 + torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    Autoencoder(1).prepare(net, x, lambda parameters, lr: torch.optim.SGD(parameters, lr=0.0), 0)
    assert float(net.input_norm.running_mean.mean()) > 1
