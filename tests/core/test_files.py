"""Files that are replaced as a whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from regimens.core.files import write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text("old", tmp_path / "file")
    with pytest.raises(UnicodeEncodeError):
        write_text("\ud800", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_are_as_open_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write_text("x", tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
