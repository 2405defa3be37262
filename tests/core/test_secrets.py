"""Passwords in URLs: hidden in what is written, and found again by the workers of a command."""

from pathlib import Path

import pytest

from regimens.core import secrets
from regimens.core.files import write_json
from regimens.core.secrets import keep, redact, restore

PASSWORD = "Sw0rd-of.Dam%2Focles"
SERVER, DATABASE = f"http://me:{PASSWORD}@127.0.0.1:9", f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/studies"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(secrets.VARIABLE, "{}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:secret@host/db", "postgresql+psycopg://me:***@host/db"),
        ("a 'https://me:p@ss@host:1/x' and redis://:word@host", "a 'https://me:***@host:1/x' and redis://:***@host"),
        ("ftp://me:sl/ash@host", "ftp://me:***@host"),
        ("'postgresql://host/db?user=me&password=se%20cret&x=1'", "'postgresql://host/db?user=me&password=***&x=1'"),
        ("http://me:one@host/?a=b&Token=two", "http://me:***@host/?a=b&Token=***"),
        ("http://host:5000/path", "http://host:5000/path"),
        ("no url: nothing@all", "no url: nothing@all"),
    ],
)
def test_a_password_in_a_url_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact({"a": [text, 1, None]}) == {"a": [shown, 1, None]}


def test_workers_find_what_the_stars_stand_for() -> None:
    value = {"overrides": [f"tracking.uri={SERVER}", "seed=1", f"a='{SERVER}/?password={PASSWORD}&b=1'"], "n": 2}
    keep(value)
    assert PASSWORD not in str(redact(value))
    assert restore(redact(value)) == value


def test_a_written_file_holds_no_password(tmp_path: Path) -> None:
    write_json({"é": f"failed: {SERVER}", "list": (DATABASE,)}, tmp_path / "a.json")
    assert PASSWORD not in (tmp_path / "a.json").read_text()
