"""Where a number comes from: the revision, and the hash of the code that training depends on."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from regimens.core import provenance


def test_no_git_repository_is_no_obstacle(tmp_path: Path) -> None:
    assert provenance.code(tmp_path) == {"revision": None, "dirty": None}


def code_of(copy: Path) -> str:
    """The hash that the copy of the package in `copy` gives itself."""
    spec = importlib.util.spec_from_file_location("copied", copy / "core" / "provenance.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.training_code())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package."""
    return Path(shutil.copytree(Path(provenance.__file__).parents[1], tmp_path / "regimens"))


@pytest.mark.parametrize(
    ("changed", "other"),
    [
        ("training/updates.py", True),
        ("training/engines/stacked.py", True),
        ("core/hashing.py", True),
        ("core/terminal.py", False),
        ("report/build.py", False),
        ("study/run_study.py", False),
    ],
)
def test_a_change_of_what_numbers_follow_from_is_other_code(changed: str, other: bool, copy: Path) -> None:
    before = code_of(copy)
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    assert (code_of(copy) != before) is other


def test_a_renamed_file_is_other_code(copy: Path) -> None:
    before = code_of(copy)
    (copy / "nets" / "norm.py").rename(copy / "nets" / "normal.py")
    assert code_of(copy) != before


def test_every_part_of_what_numbers_follow_from_is_in_it() -> None:
    for part in provenance.NUMBERS:
        assert any(name.startswith(part) for name in provenance.training_sources())
