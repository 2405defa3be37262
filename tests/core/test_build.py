import pytest
import torch

from regimens.core.build import build, make
from regimens.core.errors import UserError


def test_a_target_is_built_with_its_values_and_without_what_is_said_about_it() -> None:
    node = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3, "name": "x", "tune": {"a": 1}}
    assert build(node).weight.shape == (3, 2)


def test_make_completes_a_partial() -> None:
    layer = make({"_target_": "torch.nn.Linear", "_partial_": True, "in_features": 2}, out_features=1)
    assert isinstance(layer, torch.nn.Linear)


def test_nodes_within_a_node_are_built_too() -> None:
    inner = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1}
    assert isinstance(build({"_target_": "torch.nn.Sequential", "_args_": [inner]})[0], torch.nn.Linear)
    layer = {"_target_": "torch.nn.Identity", "_partial_": True}
    norm = make({"_target_": "regimens.nets.norm.Norm", "position": "after", "input": False, "layer": layer})
    assert isinstance(norm.layer(), torch.nn.Identity)


@pytest.mark.parametrize("key", ["modules", "_args_"])
def test_a_node_within_a_node_may_name_no_other_packages_either(key: str) -> None:
    with pytest.raises(UserError, match=r"os\.system.*may only name"):
        build({"_target_": "torch.nn.ModuleList", key: [{"_target_": "os.system", "command": "true"}]})


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "subprocess.run", "torchx.f", ""])
def test_only_known_packages_may_be_named(target: str) -> None:
    with pytest.raises(UserError, match="may only name"):
        build({"_target_": target})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "torch.nn.Nothing"}, "no such class"),
        ({"_target_": "torch.optim.SGD", "_partial_": True, "lrr": 1}, "unknown key 'lrr'"),
        ({"_target_": "torch.nn.Dropout", "p": 1.5}, "between 0 and 1"),
        ({"_target_": "torch.nn.Dropout", "p": "many"}, "Dropout"),
    ],
)
def test_a_mistake_in_a_node_is_one_line(node: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        build(node)
    assert "\n" not in str(caught.value)
