"""The configuration that a trial leaves: what OmegaConf reads is what was written."""

import pytest
from omegaconf import OmegaConf

from regimens.trial.artifacts import as_yaml

STRINGS = [
    "1e-3",
    "5e3",
    ".5",
    "1_000",
    "0x10",
    "12:30",
    "nan",
    "-inf",
    "yes",
    "True",
    "null",
    "~",
    "",
    " 1",
    "a: b",
    "- é",
]


@pytest.mark.parametrize("text", STRINGS)
def test_a_string_stays_a_string(text: str) -> None:
    assert OmegaConf.to_container(OmegaConf.create(as_yaml({"a": text, "b": [text]}))) == {"a": text, "b": [text]}


@pytest.mark.parametrize(
    "value", [1e-05, 1e300, float("inf"), 0.1, 3, -1, True, None, [], [300, 100], {"b": {"c": [1.5]}}]
)
def test_other_values_stay_what_they_are(value: object) -> None:
    again = OmegaConf.to_container(OmegaConf.create(as_yaml({"a": value})))
    assert again == {"a": value}
    assert type(again["a"]) is type(value)  # type: ignore[call-overload,index]
