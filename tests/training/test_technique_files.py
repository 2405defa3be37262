"""Every technique's file: described, bound to its target's signature, and tunable by keys that it has."""

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from regimens.build import METADATA, build, locate
from regimens.nets.norm import Norm
from regimens.training.clipping import Clip
from regimens.training.regularization import Regularization

CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("init", "activation", "norm", "regularization", "clip", "optimizer", "scheduler", "average", "model")
FILES = sorted(path for group in GROUPS for path in (CONF / group).glob("*.yaml"))

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}={path.stem}")


@cache
def load(path: Path) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node = OmegaConf.to_container(compose(f"{path.parent.name}/{path.stem}"), resolve=True)
    assert isinstance(node, dict)
    return node[path.parent.name]


@each_file
def test_first_line_says_what_it_is(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert len(first) <= 130


@each_file
def test_keys_bind_to_the_targets_signature(path: Path) -> None:
    node = load(path)
    assert node["_partial_"] is True
    arguments = {k: v for k, v in node.items() if k not in METADATA and not k.startswith("_")}
    inspect.signature(locate(node["_target_"])).bind_partial(**arguments)
    assert callable(build(node))


@each_file
def test_what_is_tuned_exists_and_its_default_lies_in_the_range(path: Path) -> None:
    node = load(path)
    for key, space in node.get("tune", {}).items():
        default: Any = node
        for part in key.split("."):
            default = default[part]
        assert default is not None
        if "choices" in space:
            assert default in space["choices"]
        else:
            assert set(space) == {"low", "high", "log"}
            assert space["low"] <= default <= space["high"]
            assert not space["log"] or space["low"] > 0


@pytest.mark.parametrize(("group", "kind"), [("norm", Norm), ("clip", Clip), ("regularization", Regularization)])
def test_complete_techniques_need_no_more_arguments(group: str, kind: type) -> None:
    for path in (CONF / group).glob("*.yaml"):
        assert isinstance(build(load(path))(), kind)


def test_the_catalogue_is_complete() -> None:
    """The option names are part of the interface."""
    catalogue = {
        "init": "glorot_uniform glorot_normal he_normal he_uniform lecun_normal lecun_uniform variance_scaling"
        " orthogonal random_normal random_uniform truncated_normal zeros ones constant identity",
        "activation": "linear sigmoid hard_sigmoid tanh softsign softplus exponential relu leaky_relu rrelu prelu"
        " thresholded_relu elu selu swish gelu mish",
        "norm": "none batch layer",
        "regularization": "none l1 l2 l1_l2 dropout alpha_dropout max_norm early_stopping",
        "clip": "none value norm global_norm",
        "optimizer": "sgd momentum nesterov adagrad rmsprop adam adamax nadam adamw",
        "scheduler": "constant power exp piecewise plateau exp_step onecycle cosine",
        "average": "none epoch ema",
        "model": "mlp",
    }
    for group, options in catalogue.items():
        assert set(options.split()) <= {path.stem for path in (CONF / group).glob("*.yaml")}
