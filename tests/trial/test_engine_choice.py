"""The choice of an engine, as a study's parent makes it."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from regimens.training.engines import compiler
from regimens.trial import engine_choice
from regimens.trial.engine_choice import Planned, Size, choose, fleet_obstacle
from regimens.trial.regimen import plain
from tests.conftest import Compose


def test_an_engine_is_chosen_without_torch() -> None:
    code = """
import sys
from regimens.trial.engine_choice import Planned, Size, choose
parts = {name: {"_target_": "regimens.x"} for name in ("optimizer", "clip", "activation", "data")}
parts["loss"] = {"_target_": "regimens.training.losses.CrossEntropy"}
config = {
    **parts,
    "engine": "auto",
    "probe": "none",
    "regularization": {"max_norm": float("inf")},
    "batch_size": 1,
    "epochs": 10**6,
    "model": {"_target_": "regimens.nets.mlp.MLP", "hidden": [10]},
    "trainer": {"accelerator": "cpu", "devices": 1},
}
size = Size(1000, 64, 10)
engines = choose([Planned(config, size, 8, 8)]) + choose([Planned(config, size, 8)])
print(*engines, "torch" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[0] == "fleet"
    assert told[1] in ("compiled", "eager")  # as this machine has a compiler or none
    assert told[2] == "False"


def test_networks_other_than_the_perceptron_step_eagerly_and_alone(composed: Compose) -> None:
    config = plain(composed("model=cnn", small=("data=digits", "tracking=none", "epochs=100000"))[0])
    assert choose([Planned(config, Size(60_000, 64, 10), trials=1000, at_once=100)]) == ["eager"]
    assert "CNN is none" in fleet_obstacle(config)


def test_what_is_no_single_rule_is_neither_compiled_nor_in_a_fleet(composed: Compose) -> None:
    config = plain(composed("optimizer=muon", small=("data=digits", "tracking=none", "epochs=100000"))[0])
    assert choose([Planned(config, Size(60_000, 64, 10), trials=1000, at_once=100)]) == ["eager"]
    assert "Muon" in fleet_obstacle(config)


@pytest.mark.parametrize(
    ("epochs", "examples", "size", "compiled"),
    [
        (10, 1437, 32, True),  # 440 steps
        (10, 1437, 29, False),  # the epoch's last mini-batch: 10 steps
        (1000, 1437, 29, True),
        (6, 1437, 32, False),
        (300, 20, 20, True),  # fewer examples than a mini-batch has
        (299, 20, 20, False),
        (1000, 1437, 7, False),  # no such mini-batch
    ],
)
def test_a_trials_own_definition_says_what_is_compiled(
    epochs: int, examples: int, size: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "find", lambda: "/usr/bin/c++")
    assert engine_choice.repays_compiling(epochs, examples, 32, size) == compiled
    monkeypatch.setattr(compiler, "find", lambda: None)
    assert not engine_choice.repays_compiling(epochs, examples, 32, size)


def planned(*overrides: str, composed: Compose, trials: int, hidden: Sequence[int] = (300, 100)) -> Planned:
    config = plain(composed(*overrides, small=("data=digits", "tracking=none", "epochs=4"))[0])
    return Planned({**config, "engine": "auto", "model": {**config["model"], "hidden": list(hidden)}}, MANY, trials)


MANY = Size(5000, 784, 10)  # 157 steps an epoch


def test_what_optimisers_share_is_compiled_for_all_of_them_together(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "find", lambda: "/usr/bin/c++")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    one = planned("optimizer=adam", composed=composed, trials=24)
    nine = [planned(f"optimizer={name}", composed=composed, trials=24) for name in ("sgd", "adam", "nadam", "adamw")]
    assert choose([one]) == ["eager"]
    assert choose(nine) == ["compiled"] * 4
    apart = [planned(f"activation={name}", composed=composed, trials=24) for name in ("relu", "tanh", "elu", "selu")]
    assert choose(apart) == ["eager"] * 4
    monkeypatch.setattr(compiler, "find", lambda: None)
    assert choose(nine) == ["eager"] * 4


def test_a_network_that_does_not_repay_its_own_code_is_no_burden_to_the_others(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "find", lambda: "/usr/bin/c++")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    many, few = (planned(f"activation={name}", composed=composed, trials=n) for name, n in (("relu", 200), ("elu", 2)))
    assert choose([many, few]) == ["compiled", "eager"]


def test_one_network_has_to_repay_those_who_wait_for_it(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "find", lambda: "/usr/bin/c++")
    study = [planned(composed=composed, trials=100)]
    for cores, engine in ((1, "compiled"), (2, "compiled"), (64, "eager")):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert choose(study) == [engine]


def test_a_step_saves_a_call_in_each_layer_so_that_deep_networks_repay_their_code_sooner(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: a step of twenty-one dense layers takes 1.91 ms eagerly and 0.81 compiled; of three, 0.80 and 0.48."""
    monkeypatch.setattr(compiler, "find", lambda: "/usr/bin/c++")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert choose([planned(composed=composed, trials=36)]) == ["eager"]
    assert choose([planned(composed=composed, trials=36, hidden=20 * [100])]) == ["compiled"]
    assert choose([planned(composed=composed, trials=12, hidden=20 * [100])]) == ["eager"]
