"""The choice of an engine, as a study's parent makes it."""

import subprocess
import sys


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
    "model": {"hidden": [10]},
    "trainer": {"accelerator": "cpu", "devices": 1},
}
print(choose(config, Size(1000, 64, 10), 8, 8), choose(config, Size(1000, 64, 10), 8), "torch" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told[0] == "fleet"
    assert told[1] in ("compiled", "eager")  # as this machine has a compiler or none
    assert told[2] == "False"
