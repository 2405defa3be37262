"""The choice of an engine, as a study's parent makes it."""

import subprocess
import sys

from regimens.trial.engine_choice import Size, choose, fleet_obstacle
from regimens.trial.regimen import plain
from tests.conftest import Compose


def test_an_engine_is_chosen_without_torch() -> None:
    code = """
import sys
from regimens.trial.engine_choice import Size, choose
parts = {name: {"_target_": "regimens.x"} for name in ("optimizer", "clip", "activation")}
config = {
    **parts,
    "engine": "auto",
    "probe": "none",
    "batch_size": 1,
    "epochs": 10**6,
    "model": {"_target_": "regimens.nets.mlp.MLP", "hidden": [10]},
    "trainer": {"accelerator": "cpu", "devices": 1},
}
print(choose(config, Size(1000, 64, 10), 8, 8), choose(config, Size(1000, 64, 10), 8), "torch" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[0] == "fleet"
    assert told[1] in ("compiled", "eager")  # as this machine has a compiler or none
    assert told[2] == "False"


def test_networks_other_than_the_perceptron_step_eagerly_and_alone(composed: Compose) -> None:
    config = plain(composed("model=cnn", small=("data=digits", "tracking=none", "epochs=100000"))[0])
    assert choose(config, Size(60_000, 64, 10), trials=1000, at_once=100) == "eager"
    assert "CNN is none" in fleet_obstacle(config)
