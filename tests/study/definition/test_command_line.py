"""What the words of a study's command line mean."""

import pytest

from regimens.core.errors import UserError
from regimens.study.definition.command_line import options


def test_null_takes_a_value_off_an_axis() -> None:
    assert options("layers", {"2": ["model=mlp"], "100": None, "plain": []}) == {"2": ("model=mlp",), "plain": ()}
    with pytest.raises(UserError):
        options("layers", [])
