"""Advice to type survives a real shell and Hydra's own grammar."""

import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from regimens.core.errors import DataError
from regimens.data import quoting

NAMES = [
    *("Id", "Type [L/M/H]", "group (a, b)", "Unnamed: 4", "it's", 'say "hi"', "Größe", "a=b", "a:b", "01", "1.50"),
    *("true", "NULL", "nan", "${oc.env:HOME}", "back\\slash", "ends\\", 'q\\"', "$HOME", "`ls`", "!!", "*", "~"),
    *(" padded ", "a,b", "{x}", "#1", "50%", "x;y", "tab\there", "\\", "'\"", "km/h", "/tmp/my data (1).csv"),
    *("2020", "two\nlines"),
]  # fmt: skip


def from_shell(words: list[str]) -> list[str]:
    """What bash makes of a command line's words."""
    done = subprocess.run(
        ["bash", "-c", "printf '%s\\0' " + " ".join(words)], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def from_hydra(override: str) -> object:
    parsed = OverridesParser.create().parse_override(override)
    cfg = OmegaConf.create({"value": parsed.value()})
    return OmegaConf.to_container(cfg, resolve=True)["value"]  # type: ignore[index,call-overload]


def test_what_is_typed_in_a_shell_is_what_hydra_gives() -> None:
    typed = [quoting.typed("data.drop", [name]) for name in NAMES]
    for name, word in zip(NAMES, from_shell(typed), strict=True):
        assert quoting.listed(from_hydra(word), "data.drop") == [name]
    typed = [quoting.typed("data.target", name) for name in NAMES]
    for name, word in zip(NAMES, from_shell(typed), strict=True):
        assert str(from_hydra(word)) == name
    typed = [quoting.typed("data.types", {name: "word"}) for name in NAMES]
    for name, word in zip(NAMES, from_shell(typed), strict=True):
        assert quoting.mapped(from_hydra(word), "data.types") == {name: "word"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=3))
def test_any_names_survive_hydra(names: list[str]) -> None:
    assert quoting.listed(from_hydra(f"data.drop={quoting.for_hydra(names)}"), "data.drop") == names


@pytest.mark.parametrize("name", ["Id", "Type [L/M/H]", "group (a, b)", "Unnamed: 4", "no", "01"])
def test_advice_passed_on_as_it_stands_is_understood_too(name: str) -> None:
    """A script that greps the advice passes it on with the shell's quotes still in it."""
    assert quoting.listed(from_hydra(quoting.typed("data.drop", [name])), "data.drop") == [name]
    assert quoting.mapped(from_hydra(quoting.typed("data.types", {name: "word"})), "data.types") == {name: "word"}


def test_one_name_is_a_list_of_one_and_other_things_are_told() -> None:
    assert quoting.listed("Id", "data.drop") == ["Id"]
    assert quoting.listed(2020, "data.drop") == ["2020"]
    assert quoting.listed(None, "data.drop") == []
    for wrong in ({"a": 1}, [["a"]], "[a"):
        with pytest.raises(DataError, match=r"data\.drop=.*: .*as in data\.drop='\[a, \"b c\"\]'"):
            quoting.listed(wrong, "data.drop")
    with pytest.raises(DataError, match=r"give a mapping, as in data\.types='\{a: b\}'"):
        quoting.mapped(["a"], "data.types")
