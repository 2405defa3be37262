"""The prepare stage's command: its output, its exit status, and what it says."""

import json
import sys
from pathlib import Path

import pytest

from tests.data.conftest import Npz

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
import prepare


def test_it_writes_what_a_trial_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from functools import partial

    from regimens import data
    from regimens.data import sources

    assert prepare.main(["data=digits", f"paths.data={tmp_path}", "data.n_valid=100"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "digits")
    manifest = json.loads((tmp_path / "digits" / "manifest.json").read_text())
    assert manifest["sizes"]["valid"] == 100
    data.load(
        partial(sources.digits), dataset="digits", directory=tmp_path, scale="unit", n_valid=100, n_test=360, shuffle=0
    )
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_a_users_own_files(tmp_path: Path, npz: Npz) -> None:
    assert prepare.main(["data=arrays", f"data.path={npz()}", f"paths.data={tmp_path}"]) == 0
    (tmp_path / "my.csv").write_text("a,b\n" + "1,0\n2,1\n" * 20)
    where = [f"data.path={tmp_path / 'my.csv'}", "data.target=b", f"paths.data={tmp_path}"]
    assert prepare.main(["data=csv", *where]) == 0
    assert (tmp_path / "csv" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=digist"], "did you mean digits?"),
        (["data=csv", "data.target=x", "data.path=none.csv"], "cannot read none.csv"),
        (["data=csv"], "data.path"),
        (["data=digits", "data.n_valid=1797"], "leave nothing of the 1797"),
        (["data=digits", "data.nvalid=9"], "data.nvalid"),
    ],
)
def test_a_mistake_costs_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], message: str
) -> None:
    assert prepare.main([*overrides, f"paths.data={tmp_path}"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ")
    assert message in said
    assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_that_cannot_be_had_is_status_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from regimens.data import fashion

    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fashion, "MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setattr(fashion, "TRIES", 1)
    assert prepare.main(["data=fashion_mnist", f"paths.root={tmp_path}"]) == 3
    assert "FASHION_MNIST_DIR=FOLDER" in capsys.readouterr().err
