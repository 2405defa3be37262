"""Several devices for one trial: the steps of one process, and what cannot be spread."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regimens.core.errors import UserError
from regimens.training import ddp
from regimens.training.ddp import Spread, read_spread


@pytest.mark.thorough
def test_two_ranks_take_the_steps_of_one_process(tmp_path: Path) -> None:
    """N processes with B / N samples each, or one with B: only rounding differs."""
    script = str(Path(__file__).parent / "two_ranks.py")
    ranks = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    output = [rank.communicate(timeout=200)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    told = json.loads(output[0])
    single = told["cases"].pop("single precision")
    assert single[0] < 1e-5
    # The loop's own sums are in single precision, whatever the network's.
    assert {name: far for name, far in told["cases"].items() if far[0] > 1e-6 or far[1] > 1e-12} == {}
    assert told["apart"]  # sync_batchnorm=false: other numbers, and numbers all the same
    assert told["ranks agree"]
    assert len(set(told["seeds"])) == 2


def test_a_mini_batch_is_the_whole_one_unless_the_configuration_says_otherwise() -> None:
    assert Spread(32, 4).effective_batch == 32
    assert Spread(32, 4).lr_factor == Spread(32, 4, lr_scaling="linear").lr_factor == 1
    assert Spread(32, 4, "per_device").effective_batch == 128
    assert Spread(32, 4, "per_device").lr_factor == 1
    assert Spread(32, 4, "per_device", "linear").lr_factor == 4
    assert Spread(32, 4, "per_device", "sqrt").lr_factor == 2


@pytest.mark.parametrize("devices", [0, -1, True, "two", [0, 1]])
def test_a_number_of_devices_is_a_whole_number(devices: Any) -> None:
    with pytest.raises(UserError, match=r"^trainer.devices="):
        Spread(32, devices)


def test_a_mini_batch_that_cannot_be_shared_is_named() -> None:
    with pytest.raises(UserError, match=r"^batch_size=33: trainer.devices=2 cannot share it evenly"):
        Spread(33, 2)
    assert Spread(33, 2, "per_device").effective_batch == 66


def test_one_process_does_not_drive_two_devices() -> None:
    plain = {"_target_": "pytorch_lightning.Trainer"}
    assert read_spread({**plain, "devices": [3]}, 32).devices == 1
    with pytest.raises(UserError, match="trainer=ddp"):
        read_spread({**plain, "devices": 2}, 32)


def test_gpus_that_are_not_there_and_a_missing_backend_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ddp.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="may use 1 GPUs"):
        ddp.trainer(2, "gpu")
    monkeypatch.setattr(ddp.dist, "is_gloo_available", lambda: False)
    with pytest.raises(UserError, match="no gloo"):
        ddp.trainer(2, "cpu")
