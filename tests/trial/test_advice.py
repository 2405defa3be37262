"""Advice: each rule fires on the regimen that breaks it, and is silent on the nearest one that does not."""

from typing import Any

import pytest

from regimens.core.errors import UserError
from regimens.trial.advice import advise
from tests.conftest import Train

GOOD = {"activation": "elu", "init": "he_normal", "norm": "none", "optimizer": "nadam"}
SELU = {"activation": "selu", "init": "lecun_normal"}
STANDARD = {"data.scale": "standardize"}


def advice(choices: dict[str, str], values: dict[str, Any]) -> list[str]:
    """What is said of a sound regimen after these changes."""
    regimen: dict[str, dict[str, Any]] = {
        "data": {"scale": "unit"},
        "init": {},
        "norm": {"position": "after"},
        "regularization": {"l1": 0.0, "l2": 0.0, "dropout": 0.0, "alpha_dropout": 0.0},
        "optimizer": {"lr": 0.001, "beta_1": 0.9},
        "model": {"hidden": [300, 100]},
    }
    for path, value in values.items():
        group, key = path.split(".")
        regimen[group][key] = value
    return advise({**GOOD, **choices}, regimen)


def test_a_sound_regimen_gets_none() -> None:
    assert advice({}, {}) == []
    assert advice(SELU, STANDARD) == []


@pytest.mark.parametrize(
    ("choices", "values", "word", "sound"),
    [
        ({**SELU, "init": "glorot_uniform"}, STANDARD, "lecun_normal", ({**SELU, "init": "lecun_uniform"}, STANDARD)),
        (
            {**SELU, "init": "variance_scaling"},
            {**STANDARD, "init.scale": 2.0, "init.mode": "fan_in"},
            "lecun_normal",
            ({**SELU, "init": "variance_scaling"}, {**STANDARD, "init.scale": 1.0, "init.mode": "fan_in"}),
        ),
        (SELU, {"data.scale": "unit"}, "standardize", (SELU, STANDARD)),
        (
            SELU,
            {**STANDARD, "regularization.dropout": 0.2},
            "alpha_dropout",
            (SELU, {**STANDARD, "regularization.alpha_dropout": 0.2}),
        ),
        (SELU, {**STANDARD, "regularization.l1": 0.1}, "l1", (GOOD, {"regularization.l1": 0.1})),
        ({**SELU, "norm": "batch"}, STANDARD, "norm=batch", ({**SELU, "norm": "layer"}, STANDARD)),
        ({"activation": "relu", "init": "glorot_uniform"}, {}, "he_normal", ({"activation": "relu"}, {})),
        ({"init": "glorot_uniform"}, {}, "he_normal", ({"activation": "tanh", "init": "glorot_uniform"}, {})),
        (
            {"init": "variance_scaling"},
            {"init.scale": 2.0, "init.mode": "fan_avg"},
            "he_normal",
            ({"init": "variance_scaling"}, {"init.scale": 2.0, "init.mode": "fan_in"}),
        ),
        ({"init": "zeros"}, {}, "symmetry", ({"init": "he_uniform"}, {})),
        ({"init": "constant", "activation": "tanh"}, {}, "symmetry", ({}, {})),
        ({"optimizer": "momentum"}, {"optimizer.momentum": 0.999}, "0.9 is usual", ({}, {"optimizer.momentum": 0.99})),
        ({}, {"optimizer.beta_1": 1.0}, "0.9 is usual", ({}, {"optimizer.beta_1": 0.95})),
        ({"norm": "batch"}, {"regularization.dropout": 0.2}, "dropout", ({}, {"regularization.dropout": 0.2})),
        ({"norm": "batch"}, {"regularization.alpha_dropout": 0.2}, "alpha_dropout", ({"norm": "batch"}, {})),
        ({"norm": "batch", "activation": "linear"}, {}, "norm.position=before", ({"norm": "batch"}, {})),
        (
            {"norm": "batch", "activation": "linear"},
            {},
            "norm.position=before",
            ({"norm": "batch", "activation": "linear"}, {"norm.position": "before"}),
        ),
        ({}, {"regularization.l2": 0.01}, "adamw", ({"optimizer": "adamw"}, {"regularization.l2": 0.01})),
        ({"optimizer": "adam"}, {"regularization.l2": 0.1}, "adamw", ({"optimizer": "sgd"}, {"regularization.l2": 1})),
        (
            {"optimizer": "adagrad"},
            {"model.hidden": [100] * 20},
            "adagrad",
            ({"optimizer": "adagrad"}, {"model.hidden": [300, 100]}),
        ),
    ],
)  # fmt: skip
def test_a_rule_fires_where_it_should_and_nowhere_else(
    choices: dict[str, str], values: dict[str, Any], word: str, sound: tuple[dict[str, str], dict[str, Any]]
) -> None:
    (sentence,) = advice(choices, values)
    assert word in sentence
    assert "\n" not in sentence
    assert advice(*sound) == []


def test_each_broken_rule_is_a_sentence_of_its_own() -> None:
    broken = {"regularization.dropout": 0.2, "regularization.l1": 0.1}
    assert len(advice({**SELU, "init": "glorot_uniform", "norm": "batch"}, broken)) == 6


@pytest.mark.parametrize("value", [None, "much", [0.9]])
def test_a_value_of_the_wrong_kind_is_left_to_whoever_builds_it(value: object) -> None:
    assert advice({}, {"optimizer.beta_1": value, "regularization.dropout": value, "model.hidden": value}) == []


def test_advice_is_kept_with_the_result_and_never_stops_a_run(train: Train) -> None:
    result = train("activation=selu", "init=glorot_uniform")
    assert result.status == "completed"
    assert any("lecun_normal" in sentence for sentence in result.advice)


def test_advice_stops_a_run_on_request(train: Train) -> None:
    with pytest.raises(UserError, match=r"advice=error.*lecun_normal"):
        train("activation=selu", "init=glorot_uniform", "advice=error")
    assert train("activation=selu", "init=glorot_uniform", "advice=off").advice == []
