"""The catalogue as a whole: every file of conf/ is described, bound to what it names, and trains."""

import inspect
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from regimens import trial
from regimens.core.build import METADATA, locate, make
from regimens.data import SPLIT_KEYS
from regimens.nets.norm import Norm
from regimens.training.clipping import Clip
from regimens.training.regularization import Regularization
from regimens.trial.regimen import plain
from tests.conftest import CONF, Compose

FILES = sorted(CONF.glob("**/*.yaml"))
SMALL = ("data=digits", "data.train_size=64", "data.n_valid=100", "task.b_train=20", "epochs=1", "tracking=none")
# Groups whose options compose others, and options that need what only their user has.
COMPOSING = ("experiment", "study", "scale", "data")
OPTIONS = sorted(
    f"{p.parent.name}={p.stem}" for p in FILES if p.parent.parent == CONF and p.parent.name not in COMPOSING
)
# Options that are for quantities, of which the digits have none.
OF_QUANTITIES = ("loss=mse", "loss=mae", "loss=huber", "task=regression")
# Groups whose options are parts of a network or of its training, and the names that promise to stay.
TECHNIQUES = {
    "init": "glorot_uniform glorot_normal he_normal he_uniform lecun_normal lecun_uniform variance_scaling"
    " orthogonal random_normal random_uniform truncated_normal zeros ones constant identity",
    "activation": "linear sigmoid hard_sigmoid tanh softsign softplus exponential relu leaky_relu rrelu prelu"
    " thresholded_relu elu selu swish gelu mish",
    "norm": "none batch layer",
    "regularization": "none l1 l2 l1_l2 dropout alpha_dropout max_norm early_stopping mixup",
    "clip": "none value norm global_norm",
    "optimizer": "sgd momentum nesterov adagrad rmsprop adam adamax nadam adamw muon schedule_free",
    "scheduler": "constant power exp piecewise plateau exp_step onecycle cosine",
    "loss": "cross_entropy label_smoothing weighted mse mae huber",
    "model": "mlp cnn resnet",
}
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def key(path: Path) -> str:
    return str(path.relative_to(CONF).with_suffix(""))


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping with a `_target_` inside plain YAML, and where it stands."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield path, value
        for name, item in value.items():
            yield from nodes(item, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item, path)


TARGETS = [(path, place, node) for path in FILES for place, node in nodes(yaml.safe_load(path.read_text()))]


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_file_opens_with_what_it_is(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @")]
    # Of a technique it is what `--help` shows: a sentence.
    assert re.fullmatch(r"# \S.{2,}\." if path.parent.name in TECHNIQUES else r"# \S.{2,}[.:)]?", lines[0]), lines[0]
    assert len(lines[0]) <= 130


@pytest.mark.parametrize(("path", "place", "node"), TARGETS, ids=[f"{key(p)}:{place}" for p, place, _ in TARGETS])
def test_every_key_is_one_that_the_target_takes(path: Path, place: str, node: dict[str, Any]) -> None:
    said = (
        METADATA | ({"defaults"} if place == "" else set()) | (set(SPLIT_KEYS) if path.parent.name == "data" else set())
    )
    arguments = {k: v for k, v in node.items() if k not in said and not k.startswith("_")}
    assert path.parent.name not in TECHNIQUES or place or node["_partial_"] is True
    signature = inspect.signature(locate(node["_target_"]))
    signature.bind_partial(**arguments)
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    assert open_ended or arguments.keys() <= signature.parameters.keys()


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_range_holds_its_default(path: Path) -> None:
    node = yaml.safe_load(path.read_text()) or {}
    for name, space in (node.get("tune") or {}).items():
        default: Any = node
        for part in name.split("."):
            assert part in default, f"tune: {name} is no key of this file"
            default = default[part]
        if "choices" in space:
            assert default in space["choices"]
        else:
            assert set(space) == {"low", "high", "log"}
            assert space["low"] <= default <= space["high"]
            assert space["low"] < space["high"]
            assert not space["log"] or space["low"] > 0


@pytest.mark.parametrize("path", FILES, ids=key)
def test_numbers_are_numbers(path: Path) -> None:
    """YAML reads 1e-3 as a string."""

    def look(value: Any) -> None:
        assert not (isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value)), value
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(item)

    look(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("study", sorted(path.stem for path in (CONF / "study").glob("*.yaml")))
@pytest.mark.parametrize("scale", ["smoke", "desk", "full"])
@pytest.mark.thorough
def test_no_study_asks_a_small_data_set_for_more_than_it_has(study: str, scale: str, composed: Compose) -> None:
    """What a scale cuts is said for a data set by name: `make study DATA=digits` runs every study of the pipeline."""
    config, _ = composed("data=digits", f"study={study}", f"scale={scale}", small=())
    size = config.data.train_size
    assert size is None or size <= 1137  # digits' training examples


@pytest.fixture(scope="module")
def net_of_a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network with four hidden layers, as a run leaves them."""
    sizes = [64, 12, 10, 8, 6, 8]
    state = {}
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        state[f"layers.{index}.linear.weight"] = torch.full((fan_out, fan_in), 0.05)
        state[f"layers.{index}.linear.bias"] = torch.zeros(fan_out)
    path = tmp_path_factory.mktemp("a") / "final.safetensors"
    save_file(state, path)
    return path


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.thorough
def test_an_option_trains(option: str, composed: Compose, tmp_path: Path, net_of_a: Path) -> None:
    group, name = option.split("=")
    if option == "trainer=gpu" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    small = [] if group == "model" else ["model.hidden=[16,8]"]
    if option == "transfer=from_a":
        small = ["model.hidden=[12,10,8,6]", "transfer.reuse=4", f"transfer.checkpoint={net_of_a}"]
    overrides = [one for one in SMALL if not one.startswith(f"{group}=")]
    if option in OF_QUANTITIES:
        overrides = ["data=diabetes", "data.train_size=64", "epochs=1", "tracking=none"]
    cfg, choices = composed(*overrides, *small, option, small=())
    result = trial.run(cfg, tmp_path / "trial", choices=choices)
    assert choices[group] == name
    assert result.status == "completed"
    assert math.isfinite(result.metrics["val/loss"] or math.nan)


@pytest.mark.thorough
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_and_trains(experiment: str, composed: Compose, tmp_path: Path, net_of_a: Path) -> None:
    small = ["model.hidden=[12,10,8,6]", "regularization.mc_samples=0"]
    if experiment == "b_on_a":
        small += ["transfer.reuse=4", f"transfer.checkpoint={net_of_a}"]
    cfg, choices = composed(*SMALL, f"experiment={experiment}", *small, small=())
    assert trial.run(cfg, tmp_path / "trial", choices=choices).status == "completed"


@pytest.mark.parametrize("group", ["study", "scale"])
@pytest.mark.thorough
def test_studies_and_scales_compose(group: str, composed: Compose) -> None:
    for path in sorted((CONF / group).glob("*.yaml")):
        _, choices = composed(f"{group}={path.stem}", small=())
        assert choices[group] == path.stem


# Rooms of conf/scale/, and the groups whose options their folders and files are called by, under the scale.
ROOMS = {
    "data": ("data",),
    "study": ("study",),
    "study_of_data": ("data", "study"),
    "study_of_model": ("model", "study"),
    "model_of_data": ("data", "model"),
}


@pytest.mark.parametrize(
    ("asked", "hidden"),
    [
        ("scale=desk", [100, 50]),
        ("scale=desk data=digits", [100, 50]),
        ("scale=desk data=arrays", [300, 100]),
        ("scale=desk study=own", [7]),
        ("scale=desk model.hidden=[8]", [8]),
        ("scale=desk model=deep", 20 * [100]),
        ("scale=desk study=clipping", 10 * [100]),
        ("scale=desk study=clipping model=deep100", [300, *99 * [100]]),
        ("scale=smoke", [300, 100]),
        ("scale=full", [300, 100]),
        ("study=optimizers", [300, 100]),
    ],
)
def test_a_scale_makes_the_default_network_smaller_and_none_that_somebody_asked_for(
    asked: str, hidden: list[int], composed: Compose, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    own = {"defaults": ["adhoc@study"], "model": {"hidden": [7]}, "study": {"question": "Which?"}}
    (tmp_path / "study" / "own.yaml").write_text(f"# @package _global_\n{yaml.safe_dump(own)}")
    config, _ = composed(f"hydra.searchpath=[file://{tmp_path}]", *asked.split(), small=())
    assert list(config.model.hidden) == hidden


def test_what_a_scale_makes_of_an_option_is_called_as_the_option_is() -> None:
    """Hydra leaves out what it does not find, so that a misspelt file would do nothing."""
    for path in (CONF / "scale").glob("*/**/*.yaml"):
        room, scale, *names = path.relative_to(CONF / "scale").with_suffix("").parts
        assert (CONF / "scale" / f"{scale}.yaml").is_file(), path
        assert len(names) == len(ROOMS[room]), path
        for group, name in zip(ROOMS[room], names, strict=True):
            assert (CONF / group / f"{name}.yaml").is_file(), path


@pytest.mark.parametrize("scale", ["smoke", "desk", "full"])
@pytest.mark.parametrize(
    "pair", [("task_a", "transfer_ab"), ("task_a_pairs", "transfer_pairs"), ("task_a_cnn", "transfer_cnn")]
)
def test_a_network_is_transferred_to_one_like_it(pair: tuple[str, str], scale: str, composed: Compose) -> None:
    one, other = (plain(composed(f"study={name}", f"scale={scale}", small=())[0])["model"] for name in pair)
    assert one == other


@pytest.mark.parametrize(("study", "images", "epochs"), [("optimizers", 5_000, 4), ("transfer_ab", None, 20)])
def test_a_scale_is_its_own_for_a_data_set_and_a_study(
    study: str, images: int | None, epochs: int, composed: Compose
) -> None:
    cfg, _ = composed(f"study={study}", "scale=desk", small=())
    assert (cfg.data.train_size, cfg.epochs) == (images, epochs)
    cfg, _ = composed(f"study={study}", "scale=desk", "data=digits", small=())
    assert (cfg.data.train_size, cfg.epochs) == (None, epochs)


@pytest.mark.parametrize("group", TECHNIQUES)
def test_the_catalogue_is_complete(group: str) -> None:
    """The option names are part of the interface."""
    assert set(TECHNIQUES[group].split()) <= {path.stem for path in (CONF / group).glob("*.yaml")}


@pytest.mark.parametrize(("group", "kind"), [("norm", Norm), ("clip", Clip), ("regularization", Regularization)])
@pytest.mark.thorough
def test_complete_techniques_need_no_more_arguments(group: str, kind: type, composed: Compose) -> None:
    for path in (CONF / group).glob("*.yaml"):
        cfg, _ = composed(f"{group}={path.stem}")
        assert isinstance(make(plain(cfg[group])), kind)
