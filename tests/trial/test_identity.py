"""A trial is named by all that its numbers follow from, and by nothing else."""

import copy
from pathlib import Path
from typing import Any

import pytest

from regimens.core.errors import MisnamedError, UserError
from regimens.trial.identity import Identity, content_of
from regimens.trial.regimen import plain
from tests.conftest import Compose, Train


@pytest.fixture
def config(composed: Compose) -> dict[str, Any]:
    return plain(composed("optimizer=adam")[0])


def name(config: dict[str, Any], data: str = "a" * 64, engine: str = "eager") -> str:
    return content_of(config, data, engine)


@pytest.mark.parametrize(
    ("path", "value"),
    [("optimizer.lr", 0.5), ("seed", 7), ("epochs", 3), ("test", True), ("batch_size", 8), ("probe", "gradients")],
)
def test_what_moves_a_number_gives_another_name(config: dict[str, Any], path: str, value: Any) -> None:
    changed = copy.deepcopy(config)
    *parents, last = path.split(".")
    node = changed
    for parent in parents:
        node = node[parent]
    node[last] = value
    assert name(changed) != name(config)


def test_data_and_engine_are_in_it(config: dict[str, Any]) -> None:
    assert len({name(config), name(config, data="b" * 64), name(config, engine="compiled")}) == 3


@pytest.mark.parametrize(
    ("path", "value"),
    [("optimizer.name", "Other"), ("optimizer.tune", {}), ("data.cache", "elsewhere"), ("name", "x"), ("tune", "lr"),
     ("paths.runs", "/elsewhere"), ("tracking", None), ("data.name", "renamed")],
)  # fmt: skip
def test_names_ranges_and_places_are_not(config: dict[str, Any], path: str, value: Any) -> None:
    changed = copy.deepcopy(config)
    *parents, last = path.split(".")
    node = changed
    for parent in parents:
        node = node[parent]
    node[last] = value
    assert name(changed) == name(config)


def test_starting_weights_count_by_their_content_and_not_by_their_path(config: dict[str, Any], tmp_path: Path) -> None:
    names = []
    for folder, content in (("one", b"w"), ("two", b"w"), ("three", b"other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "final.safetensors").write_bytes(content)
        names.append(name({**config, "transfer": {"checkpoint": str(tmp_path / folder)}}))
    assert names[0] == names[1] != names[2]
    with pytest.raises(UserError, match="no such run or file"):
        name({**config, "transfer": {"checkpoint": str(tmp_path / "nowhere")}})


@pytest.mark.thorough
def test_what_is_not_what_was_named_is_not_trained(train: Train, tmp_path: Path) -> None:
    first = train("epochs=1", into="first")
    assert first.trial is not None
    identity = Identity(**first.trial)
    again = train("epochs=1", into="again", identity=identity)
    assert again.trial == first.trial
    with pytest.raises(MisnamedError, match="its configuration, data"):
        train("epochs=2", into="other", identity=identity)
    with pytest.raises(MisnamedError, match="its code changed"):
        train("epochs=1", into="code", identity=Identity(identity.content, "0" * 64))
    assert not (tmp_path / "other" / "result.json").exists()
