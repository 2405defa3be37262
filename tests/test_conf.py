"""The catalogue as a whole: every file of conf/ is described, bound to what it names, and trains."""

import csv
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
from regimens.core.build import METADATA, locate
from regimens.data import SPLIT_KEYS
from regimens.report.parity import published
from regimens.trial.advice import advise
from tests.conftest import CONF, Compose

FILES = sorted(CONF.glob("**/*.yaml"))
SMALL = ("data=digits", "data.train_size=64", "data.n_valid=100", "task.b_train=20", "epochs=1", "tracking=none")
# Groups whose options compose others, and options that need what only their user has.
COMPOSING = ("experiment", "study", "scale", "data")
OPTIONS = sorted(
    f"{p.parent.name}={p.stem}" for p in FILES if p.parent.parent == CONF and p.parent.name not in COMPOSING
)
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
ROWS = published()
RECIPES = ("default_dnn", "self_normalizing")


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
    assert re.fullmatch(r"# \S.{2,}[.:)]?", lines[0]), lines[0]
    assert len(lines[0]) <= 130


@pytest.mark.parametrize(("path", "place", "node"), TARGETS, ids=[f"{key(p)}:{place}" for p, place, _ in TARGETS])
def test_every_key_is_one_that_the_target_takes(path: Path, place: str, node: dict[str, Any]) -> None:
    said = (
        METADATA | ({"defaults"} if place == "" else set()) | (set(SPLIT_KEYS) if path.parent.name == "data" else set())
    )
    arguments = {k: v for k, v in node.items() if k not in said and not k.startswith("_")}
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
            assert space["low"] <= default <= space["high"]
            assert space["low"] < space["high"]


@pytest.mark.parametrize("path", FILES, ids=key)
def test_numbers_are_numbers(path: Path) -> None:
    """YAML reads 1e-3 as a string."""

    def look(value: Any) -> None:
        assert not (isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value)), value
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(item)

    look(yaml.safe_load(path.read_text()))


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
def test_an_option_trains(option: str, composed: Compose, tmp_path: Path, net_of_a: Path) -> None:
    group, name = option.split("=")
    if option == "trainer=gpu" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    small = [] if group == "model" else ["model.hidden=[16,8]"]
    if option == "transfer=from_a":
        small = ["model.hidden=[12,10,8,6]", "transfer.reuse=4", f"transfer.checkpoint={net_of_a}"]
    overrides = [one for one in SMALL if not one.startswith(f"{group}=")]
    cfg, choices = composed(*overrides, *small, option, small=())
    result = trial.run(cfg, tmp_path / "trial", choices=choices)
    assert choices[group] == name
    assert result.status == "completed"
    assert math.isfinite(result.metrics["val/loss"] or math.nan)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_and_trains(experiment: str, composed: Compose, tmp_path: Path, net_of_a: Path) -> None:
    small = ["model.hidden=[12,10,8,6]", "regularization.mc_samples=0"]
    if experiment == "b_on_a":
        small += ["transfer.reuse=4", f"transfer.checkpoint={net_of_a}"]
    cfg, choices = composed(*SMALL, f"experiment={experiment}", *small, small=())
    assert trial.run(cfg, tmp_path / "trial", choices=choices).status == "completed"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_says_how_to_run_it_how_long_it_takes_and_what_to_expect(experiment: str) -> None:
    text = (CONF / "experiment" / f"{experiment}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    assert f"# command: python src/train.py experiment={experiment}\n" in text
    assert re.search(r"^# time: .*\d+ (s|min)", text, re.MULTILINE)
    row = next((row for row in ROWS if row["id"] == experiment), None)
    if row is None:
        assert "# unpublished: " in text
    else:
        line = next(line for line in text.splitlines() if line.startswith("# published: "))
        for column in ("val_acc", "val_loss", "train_acc", "train_loss", "test_acc", "test_loss"):
            assert row[column] in line


@pytest.mark.parametrize("experiment", RECIPES)
def test_the_recommended_recipes_need_no_advice(experiment: str, composed: Compose) -> None:
    cfg, choices = composed(f"experiment={experiment}", small=())
    assert advise(choices, cfg) == []
    assert choices["optimizer"] == "nadam"


def test_the_two_deep_nets_differ_in_activation_and_initialiser_alone(composed: Compose) -> None:
    (one, a), (other, b) = (composed(f"experiment={name}", small=()) for name in ("vanishing", "self_normalizing_deep"))
    assert {group for group in a if a[group] != b[group]} == {"activation", "init", "experiment"}
    for group in ("epochs", "batch_size", "probe", "data", "model", "optimizer", "scheduler"):
        assert one[group] == other[group]
    assert one.probe == "gradients"


# The published experiments, read off the table by its own notation: "sgd(lr=0.02; momentum=0.9)".


def call(text: str) -> tuple[str, dict[str, float], list[str]]:
    """`name(a=1; b)` as its name, its numbers and its words."""
    name, _, inside = text.rstrip(")").partition("(")
    parts = [part.strip() for part in inside.split(";") if part.strip()]
    numbers = {k: float(v.split()[0]) for k, _, v in (part.partition("=") for part in parts) if v}
    return name.strip(), numbers, [part for part in parts if "=" not in part]


def hidden_of(net: str) -> list[int]:
    if net == "300 + 99x100":
        return [300] + [100] * 99
    return [int(units) for units in net.split("-")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_an_experiment_is_what_the_published_table_says(row: dict[str, str], composed: Compose) -> None:
    cfg, choices = composed(f"experiment={row['id']}", small=())
    assert list(cfg.model.hidden) == hidden_of(row["net"])
    assert cfg.epochs == sum(int(n) for n in row["epochs"].split("+"))
    assert cfg.batch_size == int(row["batch_size"])
    assert cfg.data.scale == {"/255": "unit", "standardized": "standardize"}[row["inputs"]]
    assert cfg.test == bool(row["test_acc"])
    assert (choices["clip"], choices["data"]) == ("none", "fashion_mnist")

    if row["init"] == "from task_a":
        # All hidden layers of A, frozen for the first of the two numbers of epochs.
        assert choices["transfer"] == "from_a"
        assert cfg.transfer.reuse == len(cfg.model.hidden)
        assert cfg.transfer.freeze_epochs == int(row["epochs"].split("+")[0])
    else:
        assert choices["init"] == row["init"]
        assert choices["transfer"] == "none"
    assert choices["task"] == {"task_a": "a", "b_scratch": "b", "b_on_a": "b"}.get(row["id"], "all")

    activation, _, words = call(row["activation"])
    assert choices["activation"] == activation
    if words:
        assert cfg.activation.negative_slope == float(words[0])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_an_experiment_steps_as_the_published_table_says(row: dict[str, str], composed: Compose) -> None:
    cfg, choices = composed(f"experiment={row['id']}", small=())
    optimizer, numbers, words = call(row["optimizer"])
    kind = "nesterov" if "nesterov" in words else "momentum" if "momentum" in numbers else optimizer
    assert choices["optimizer"] == kind
    assert cfg.optimizer.get("momentum") == numbers.get("momentum")

    scheduler, paces, lists = call(row["scheduler"])
    assert choices["scheduler"] == {"exp_epoch": "exp"}.get(scheduler, scheduler)
    assert cfg.scheduler.warmup == 0
    if scheduler == "piecewise":
        boundaries, rates = ([float(n) for n in one.strip("[]").split()] for one in lists)
        assert list(cfg.scheduler.boundaries) == boundaries
        assert [cfg.optimizer.lr * factor for factor in cfg.scheduler.factors] == pytest.approx(rates)
    elif optimizer_lr := numbers.get("lr", paces.get("lr0", paces.get("max_lr"))):
        assert cfg.optimizer.lr == optimizer_lr
    for name in ("s", "rate", "factor", "patience"):
        if name in paces:
            assert cfg.scheduler[name] == paces[name]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_an_experiment_is_held_back_as_the_published_table_says(row: dict[str, str], composed: Compose) -> None:
    cfg, choices = composed(f"experiment={row['id']}", small=())
    if row["norm"] == "none":
        assert choices["norm"] == "none"
    else:
        assert (choices["norm"], cfg.norm.input) == ("batch", "on inputs" in row["norm"])
        assert cfg.norm.position == row["norm"].split()[1]

    strength = re.match(r"(\w+)\(([\d.]+)\)", row["regularization"])
    expected = {strength[1]: float(strength[2])} if strength else {}
    for name, off in (("l1", 0), ("l2", 0), ("dropout", 0), ("alpha_dropout", 0), ("max_norm", math.inf)):
        assert cfg.regularization[name] == expected.get(name, off)
    assert cfg.regularization.mc_samples == (100 if "100 Monte Carlo" in row["note"] else 0)


def test_the_parity_study_has_a_cell_for_each_published_experiment_and_tunes_nothing(composed: Compose) -> None:
    cfg, _ = composed("study=parity", small=())
    assert sorted(cfg.study.compared.experiment) == sorted(row["id"] for row in ROWS)
    assert set(EXPERIMENTS) >= {row["id"] for row in ROWS}
    assert not cfg.study.tuned
    assert cfg.study.seeds >= 5


@pytest.mark.parametrize("group", ["study", "scale"])
def test_studies_and_scales_compose(group: str, composed: Compose) -> None:
    for path in sorted((CONF / group).glob("*.yaml")):
        _, choices = composed(f"{group}={path.stem}", small=())
        assert choices[group] == path.stem


def test_the_table_of_published_numbers_is_whole() -> None:
    text = (Path(trial.__file__).parent / "report" / "published.csv").read_text()
    assert [row["id"] for row in csv.DictReader(text.splitlines())] == [row["id"] for row in ROWS]
    assert len({row["id"] for row in ROWS}) == 20
