"""A table is not written over another study's: that is set aside, and a line says where and how to have it again."""

import json
from pathlib import Path

import pytest

from regimens.study.results.earlier import set_aside


class Named:
    """What `set_aside` asks a study."""

    def __init__(self, identity: str) -> None:
        self.title, self.id = "recipes", identity


def leave(results: Path, identity: str) -> dict[str, str]:
    asked = ["study=recipes", "epochs=2", "study.seeds=[1,2]"]
    results.mkdir(exist_ok=True)
    (results / "recipes.json").write_text(json.dumps({"study": {"id": identity, "asked": asked}}))
    for ending in (".csv", ".cells.csv", ".svg"):
        (results / f"recipes{ending}").write_text(f"{identity}{ending}")
    return {path.name: path.read_text() for path in results.iterdir() if path.is_file()}


def test_another_study_s_tables_are_moved_and_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = leave(tmp_path, "aaaaaaaa")
    (tmp_path / "recipes-other.json").write_text("{}")
    set_aside(Named("bbbbbbbb"), tmp_path)  # type: ignore[arg-type]
    moved = {path.name: path.read_text() for path in (tmp_path / "earlier").iterdir()}
    assert moved == {name.replace("recipes", "recipes-aaaaaaaa"): text for name, text in before.items()}
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["recipes-other.json"]
    told = capsys.readouterr().err
    assert "earlier/recipes-aaaaaaaa.json" in told
    assert "python src/train.py -m study=recipes epochs=2 'study.seeds=[1,2]'" in told


def test_the_study_s_own_tables_are_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = leave(tmp_path, "aaaaaaaa")
    set_aside(Named("aaaaaaaa"), tmp_path)  # type: ignore[arg-type]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert capsys.readouterr().err == ""


def test_what_cannot_be_read_is_set_aside_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipes.json").write_text("half a tab")
    set_aside(Named("aaaaaaaa"), tmp_path)  # type: ignore[arg-type]
    assert (tmp_path / "earlier" / "recipes-unreadable.json").read_text() == "half a tab"
    assert "earlier" in capsys.readouterr().err


def test_two_scales_under_one_name_leave_both_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for identity, other in (("aaaaaaaa", "bbbbbbbb"), ("bbbbbbbb", "aaaaaaaa"), ("aaaaaaaa", "bbbbbbbb")):
        leave(tmp_path, identity)
        set_aside(Named(other), tmp_path)  # type: ignore[arg-type]
    assert {path.name for path in (tmp_path / "earlier").glob("*.json")} == {
        "recipes-aaaaaaaa.json",
        "recipes-bbbbbbbb.json",
    }
    assert capsys.readouterr().err.count("note:") == 3
