"""conf/experiment: each says what it is, and is what the table of published numbers says."""

import math
import re

import pytest
from omegaconf import DictConfig

from regimens.report.parity import published
from regimens.trial.advice import advise
from tests.conftest import CONF, Compose

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
ROWS = published()
RECIPES = ("default_dnn", "self_normalizing")


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
    check_steps(row, cfg, choices)
    check_what_holds_it_back(row, cfg, choices)
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


def check_steps(row: dict[str, str], cfg: DictConfig, choices: dict[str, str]) -> None:
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


def check_what_holds_it_back(row: dict[str, str], cfg: DictConfig, choices: dict[str, str]) -> None:
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


def test_the_table_of_published_numbers_is_whole() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS) == 20
