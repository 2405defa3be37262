"""A project of one's own, made from nothing and run: beside a clone, and (slow) on Regimens as pip installs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CONF

ROOT = CONF.parent
SMALL = ("study.trials=2", "study.seeds=2", "epochs=1", "data.train_size=200", "tracking=none")


def run(folder: Path, *words: str, package: Path = ROOT / "src", status: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "REGIMENS_ROOT"}
    environment |= {"PYTHONPATH": str(package), "CI": "1", "DVC_NO_ANALYTICS": "true"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def mylab(tmp_path: Path) -> Path:
    told = run(tmp_path, "-m", "regimens", "new", "mylab")
    assert told == "mylab: 8 files; next: cd mylab && python src/train.py -m study=first\n"
    return tmp_path / "mylab"


@pytest.fixture
def mine(mylab: Path) -> Path:
    """The same with a data set of its own."""
    (mylab / "conf" / "data").mkdir()
    (mylab / "conf" / "data" / "mine.yaml").write_text(
        "# Mine.\n_target_: regimens.data.sources.digits\nname: digits\nscale: unit\nn_valid: 300\nn_test: 360\n"
        "shuffle: 0\ntrain_size: null\n"
    )
    return mylab


@pytest.mark.slow
def test_its_study_and_data_are_found_in_workers_too_and_reported(mine: Path) -> None:
    assert "Does batch normalisation help?" in run(mine, "src/train.py", "--info")
    assert "mine  " in run(mine, "src/train.py", "--help")
    assert "did you mean mine?" in run(mine, "src/train.py", "data=minn", status=2)
    output = run(mine, "src/train.py", "-m", "study=first", "data=mine", "study.workers=2", *SMALL)
    assert "found: Of 2 normalisations" in output
    assert run(mine, "src/report.py").splitlines()[-1] == "reports/report.html"
    assert "Does batch normalisation help?" in (mine / "reports" / "report.md").read_text()


@pytest.mark.slow
def test_a_trial_on_its_data_is_trained_again(mine: Path) -> None:
    run(mine, "src/train.py", "data=mine", "epochs=1", "tracking=none", "name=one")
    assert "equal to the bit" in run(mine, "src/train.py", "--again", "runs/one", "tracking=none")


def test_a_folder_with_something_in_it_is_left_alone(mylab: Path) -> None:
    before = (mylab / "README.md").read_text()
    assert "there is something there already" in run(mylab.parent, "-m", "regimens", "new", "mylab", status=2)
    assert "name the folder" in run(mylab.parent, "-m", "regimens", "new", status=2)
    assert (mylab / "README.md").read_text() == before


@pytest.mark.slow
def test_on_regimens_as_pip_installs_it_and_with_dvc(tmp_path: Path) -> None:
    """Without the clone: `conf/` and the report's templates come with the package."""
    package = tmp_path / "package"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(package), "./clone")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, symlinks=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    run(tmp_path, *pip)
    run(tmp_path, "-m", "regimens", "new", "mylab", package=package)
    mylab = tmp_path / "mylab"
    where = run(mylab, "-c", "import regimens.cli; print(regimens.cli.CONF)", package=package)
    assert where.strip() == str(package / "regimens" / "conf")
    study = (mylab / "conf" / "study" / "first.yaml").read_text()
    (mylab / "conf" / "study" / "first.yaml").write_text(
        study.replace("trials: 4", "trials: 2").replace("s: 5", "s: 2")
    )
    run(mylab, "-m", "dvc", "init", "--no-scm", "--quiet", package=package)
    run(mylab, "-m", "dvc", "repro", "--quiet", package=package)
    assert "Does batch normalisation help?" in (mylab / "reports" / "report.html").read_text()
    assert "up to date" in run(mylab, "-m", "dvc", "repro", package=package)
