"""What a configuration may import beside the catalogue: only what it says, and known by its content."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from regimens.core import plugins
from regimens.core.build import build
from regimens.core.errors import UserError


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `lab_of_tests` in the current directory."""
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lab_of_tests"
    folder.mkdir()
    (folder / "parts.py").write_text("def make(size=1):\n    return [0] * size\n")
    monkeypatch.setattr(plugins, "_permitted", ())
    yield folder
    for name in [name for name in sys.modules if name.startswith("lab_of_tests")]:
        del sys.modules[name]
    plugins.fingerprint.cache_clear()


def test_only_what_is_permitted_is_imported(lab: Path) -> None:
    node = {"_target_": "lab_of_tests.parts.make", "size": 2}
    with pytest.raises(UserError, match=r"plugins=\[lab_of_tests\]"):
        build(node)
    plugins.permit(["lab_of_tests"])
    assert build(node) == [0, 0]
    with pytest.raises(UserError, match="unknown key 'length'"):
        build({**node, "length": 1})
    with pytest.raises(UserError, match="may only name"):
        build({"_target_": "lab_of_tests_too.f"})
    plugins.permit([])
    with pytest.raises(UserError, match="may only name"):
        build(node)


def test_what_is_wrong_in_a_plugin_is_told(lab: Path) -> None:
    (lab / "broken.py").write_text("import nothing_of_this_name\n")
    plugins.permit(["lab_of_tests"])
    with pytest.raises(UserError, match=r"ModuleNotFoundError: No module named 'nothing_of_this_name'"):
        build({"_target_": "lab_of_tests.broken.make"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("mylab", "give a list"),
        (["os"], "part of Python"),
        (["subprocess.run"], "part of Python"),
        (["my lab"], "no name of a package"),
        (["there_is_none"], "there is no there_is_none in "),
    ],
)
def test_a_mistake_is_one_line(names: object, message: str, lab: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        plugins.permit(names)
    assert "\n" not in str(caught.value)


def test_a_run_from_anywhere_may_not_import_what_is_installed(lab: Path) -> None:
    plugins.permit_own(["lab_of_tests"])
    with pytest.raises(UserError, match="--plugins setuptools"):
        plugins.permit_own(["setuptools"])


def test_every_file_of_a_plugin_counts(lab: Path) -> None:
    before = plugins.fingerprint("lab_of_tests")
    (lab / "more.py").write_text("x = 1\n")
    assert plugins.fingerprint("lab_of_tests") == before  # this process goes on with what it began with
    plugins.fingerprint.cache_clear()
    assert plugins.fingerprint("lab_of_tests.parts") != before
