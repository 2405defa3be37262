"""A study is named by all that its numbers follow from, weights and code included."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from regimens.core.errors import UserError
from regimens.study.definition.identity import _weights


def test_other_weights_under_the_same_path_are_another_study(tmp_path: Path) -> None:
    cfg = OmegaConf.create({"transfer": {"checkpoint": str(tmp_path)}})
    (tmp_path / "final.safetensors").write_bytes(b"one")
    before = _weights([cfg])
    (tmp_path / "final.safetensors").write_bytes(b"two")
    assert _weights([cfg]) != before
    assert _weights([OmegaConf.create({"transfer": {}})]) == {}


def test_missing_weights_are_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run or file"):
        _weights([OmegaConf.create({"transfer": {"checkpoint": str(tmp_path / "nowhere")}})])
