import json
import math
from pathlib import Path

import pytest

from regimens.core.errors import UserError
from regimens.core.result import FILE_NAME, Result, finite, read, write


def result(**changes: object) -> Result:
    values = {"status": "completed", "name": "a", "seed": 1, "regimen": {"optimizer": {"lr": 0.1}}, "regimen_hash": "x"}
    return Result(**{**values, **changes})  # type: ignore[arg-type]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    original = result(metrics={"val/loss": 0.5}, history={"epoch": [1.0], "val/loss": [0.5]})
    write(original, tmp_path)
    assert read(tmp_path) == original == read(tmp_path / FILE_NAME)


def test_nan_becomes_null_since_json_has_no_word_for_it(tmp_path: Path) -> None:
    write(result(metrics={"val/loss": math.nan, "a": math.inf}), tmp_path)
    assert json.loads((tmp_path / FILE_NAME).read_text())["metrics"] == {"val/loss": None, "a": None}
    assert finite({"a": (math.nan, 1.0)}) == {"a": [None, 1.0]}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 0}', '{"schema": 1}', "\0\0"])
def test_a_damaged_result_says_which_file_and_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UserError, match=r"result\.json: not a readable result .* delete it"):
        read(tmp_path)
