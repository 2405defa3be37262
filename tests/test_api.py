"""Regimens from Python: the same trials and studies as from the command line, on the digits."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_digits

import regimens
from regimens.core.result import read

IMAGES = load_digits().images
DIGITS = {"data": "digits", "data__train_size": 200, "model__hidden": [16], "epochs": 2, "tracking": "none"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, digits_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGIMENS_ROOT", raising=False)
    monkeypatch.setitem(DIGITS, "paths__data", digits_cache)
    return tmp_path


def test_importing_the_package_imports_nothing_slow() -> None:
    code = "import regimens; assert 'run_study' in dir(regimens)"
    line = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    loaded = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines() if row.startswith("import time:")}
    assert "regimens" in loaded
    assert not loaded & {"torch", "pytorch_lightning", "mlflow", "optuna", "pandas", "numpy", "scipy", "hydra"}


def test_what_is_exported_is_what_the_module_says() -> None:
    from regimens import api

    assert set(api.__all__) == set(regimens.__all__)
    assert all(getattr(regimens, name) is getattr(api, name) and getattr(api, name).__doc__ for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        regimens.trian  # noqa: B018


def test_a_trial_is_trained_predicts_and_is_loaded_again(place: Path) -> None:
    before = list(sys.argv)
    mine = regimens.train(**{**DIGITS, "epochs": 10}, name="mine", optimizer="adam", optimizer__lr=0.05)
    assert sys.argv == before
    assert mine.directory.resolve() == place / "runs" / "mine"
    assert (read(mine.directory).trial, read(mine.directory).metrics) == (mine.result.trial, mine.metrics)
    assert mine.result.choices["optimizer"] == "adam"
    assert list(mine.history.index) == list(range(1, 11))
    assert mine.metrics["val/accuracy"] == mine.history["val/accuracy"].iloc[-1]
    there = regimens.load("runs/mine")
    assert list(mine.predict(IMAGES)) == [there.classes[row] for row in there.probabilities(IMAGES).argmax(1)]
    assert (there.predict(IMAGES) == load_digits().target.astype(str)).mean() > 0.7
    assert "val/accuracy" in mine._repr_html_()


def test_a_trial_is_the_one_of_the_command_line(place: Path) -> None:
    from regimens import cli

    here = regimens.train(**DIGITS, name="here").result
    words = [f"{key.replace('__', '.')}={value}" for key, value in DIGITS.items()]
    assert cli.main(["src/train.py", *words, "name=there"]) == 0
    there = read(place / "runs" / "there")
    assert (here.trial, here.history["val/loss"]) == (there.trial, there.history["val/loss"])


def test_rows_of_a_frame_are_predicted_by_their_names(place: Path) -> None:
    frame = pd.DataFrame({"x": range(60), "y": [f"c{n % 2}" for n in range(60)], "z": [n % 2 for n in range(60)]})
    frame.to_csv("my.csv", index=False)
    table = {**DIGITS, "data": "csv", "data__target": "y", "data__path": place / "my.csv", "data__drop": ["x"]}
    del table["data__train_size"]
    mine = regimens.train(**{**table, "epochs": 20}, optimizer="adam", optimizer__lr=0.05)
    assert list(mine.predict(frame[["z"]])) == list(frame["y"])
    likely = mine.predictor.probabilities(frame[["z"]])
    assert [mine.predictor.classes[one] for one in likely.argmax(1)] == list(frame["y"])


@pytest.mark.thorough
def test_a_study_is_run_and_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    axes = {"optimizer": ["sgd", "adam"]}
    found = regimens.run_study(compare=axes, **DIGITS, study__seeds=2)
    assert "[4/4]" in capsys.readouterr().out
    again = regimens.run_study(compare=axes, **DIGITS, study__seeds=2)
    assert "4 trials, 4 done" in capsys.readouterr().out
    pd.testing.assert_frame_equal(found.table, again.table)
    assert list(found.table.columns) == ["optimizer", "test/accuracy", "low", "high", "n", "difference", "verdict"]
    assert list(found.table["optimizer"]) == ["adam", "sgd"]
    means = found.trials.groupby("cell.optimizer")["test/accuracy"].mean()
    assert found.table["test/accuracy"].tolist() == pytest.approx([means["adam"], means["sgd"]])
    assert "adam" in found.answer
    assert found.best is not None and "optimizer=adam" in str(found.best)
    assert found.predictor.predict(IMAGES[:3]).shape == (3,)


@pytest.mark.thorough
def test_a_study_shows_itself_in_a_notebook() -> None:
    found = regimens.run_study("normalization", scale="smoke", **{**DIGITS, "epochs": 1}, study__trials=2)
    finals = found.picture("Finals")
    assert len(finals.data) == found.table["n"].sum()
    with pytest.raises(regimens.UserError, match=r"the figures are .*Finals, every seed"):
        found.picture("Finale")
    page = found._repr_html_()
    assert "<svg" in finals.svg and "data:image/svg+xml;base64," in page
    assert found.answer in page.replace("&#x27;", "'") and "<style" not in page


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adm"}, "optimizer=adm: no such option; did you mean adam?"),
        ({"optimzer": "adam"}, "no such key; did you mean optimizer?"),
        ({"optimizer__lrr": 1}, "did you mean optimizer.lr?"),
        ({"epochs": 0}, "epochs=0: must be 1 or more"),
    ],
)
@pytest.mark.thorough
def test_a_mistake_is_one_line(settings: dict[str, object], message: str) -> None:
    for call in (regimens.train, regimens.run_study):
        with pytest.raises(regimens.UserError) as error:
            call(**{**DIGITS, **settings})  # type: ignore[operator]
        assert message in str(error.value)
        assert "\n" not in str(error.value)


INTERRUPTED = """
import regimens
study = dict(compare={"optimizer": ["sgd", "adam"]}, study__seeds=6, data="digits", tracking="none", engine="eager",
             epochs=3)
try:
    regimens.run_study(**study)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print("rows", len(regimens.run_study(**study).trials), flush=True)
"""


@pytest.mark.thorough
def test_what_is_done_at_an_interrupt_is_kept(place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place,
        env={**os.environ, "CI": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored where tests run behind
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while not lines[-1].startswith("[2/12]"):
        assert lines[-1], process.communicate()[1]
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "the same call goes on" in errors
    told = output[output.index("interrupted") :].splitlines()
    done = int(told[1].split(", ")[2].split()[0])  # "adhoc (...): 2 cells, 12 trials, 3 done, 1 worker"
    assert 2 <= done < 12
    assert told[-1] == "rows 12"
