"""Which cells contain which: found from what the options' files say."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from regimens.study.definition.composer import Composed
from regimens.study.definition.nesting import KEY, contained
from tests.conftest import CONF


def composed(*overrides: str) -> Composed:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["name=test", "data=digits", *overrides], return_hydra_config=True)
    choices = {str(group): str(option) for group, option in OmegaConf.to_container(cfg.hydra.runtime.choices).items()}  # type: ignore[union-attr]
    return Composed(OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]), choices)


@pytest.mark.thorough
def test_a_cell_contains_the_one_that_differs_from_it_in_that_option_alone() -> None:
    lines = {
        "none": ["regularization=none"],
        "l1": ["regularization=l1"],
        "dropout, adam": ["regularization=dropout", "optimizer=adam"],
        "early_stopping": ["regularization=early_stopping"],
        "momentum": ["optimizer=momentum"],
    }
    cells = {label: composed("optimizer=sgd", *overrides) for label, overrides in lines.items()}
    assert contained(cells) == {"l1": "none", "momentum": "none"}


@pytest.mark.thorough
def test_a_strength_that_is_compared_is_held_and_contains_no_limit() -> None:
    lines = {"none": ["optimizer=sgd"], "0.9": ["optimizer=momentum"]}
    cells = {label: composed(*overrides) for label, overrides in lines.items()}
    assert contained(cells) == {"0.9": "none"}
    assert contained({**cells, "0.9 again": cells["0.9"]}) == {"0.9": "none", "0.9 again": "none"}
    assert contained({**cells, "0.999": composed("optimizer=momentum", "optimizer.momentum=0.999")}) == {}


@pytest.mark.parametrize("path", sorted(CONF.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}={path.stem}")
def test_what_an_option_contains_is_another_option_of_its_group(path: object) -> None:
    node = OmegaConf.load(path)  # type: ignore[arg-type]
    if KEY in node:
        assert (path.parent / f"{node[KEY]}.yaml").exists()  # type: ignore[attr-defined]
        assert node[KEY] != path.stem  # type: ignore[attr-defined]
