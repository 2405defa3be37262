"""Fixtures for tests that run the real thing small: the real conf/, the digits, a folder of their own."""

import contextlib
import importlib.util
import itertools
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Before torch is imported, here and in every process that a test starts: two threads for a small net, on a machine
# whose other core runs the other half of the tests, cost up to ten times the time of one.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from regimens.core.result import Result

CONF = Path(__file__).resolve().parents[1] / "conf"


def script(path: Path) -> ModuleType:
    """A script, which is no package's module, as one."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.parent))  # as where it is run, for its imports
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


SMALL = (
    *("data=digits", "data.train_size=200", "task.b_train=20", "epochs=2", "model.hidden=[16,8]"),
    *("tracking=none", "name=test"),
)

Compose = Callable[..., tuple[DictConfig, dict[str, str]]]
Train = Callable[..., Result]


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the prepared digits of all tests lie."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def composed(digits_cache: Path, tmp_path: Path) -> Compose:
    """`composed("optimizer=adam")`: the real configuration made small, and the option chosen in each group."""

    def make(*overrides: str, small: tuple[str, ...] = SMALL) -> tuple[DictConfig, dict[str, str]]:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            paths = [f"paths.data={digits_cache}", f"paths.runs={tmp_path}/runs", f"paths.results={tmp_path}/results"]
            cfg = compose("train", [*small, *paths, *overrides], return_hydra_config=True)
        choices = dict(OmegaConf.to_container(cfg.hydra.runtime.choices))  # type: ignore[arg-type]
        cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return cfg, {str(group): str(option) for group, option in choices.items()}

    return make


@pytest.fixture
def train(composed: Compose, tmp_path: Path) -> Train:
    """`train("optimizer=adam", into="a")`: one trial, small, in a folder of its own."""
    from regimens import trial

    def make(*overrides: str, into: str = "trial", **keywords: object) -> Result:
        cfg, choices = composed(*overrides)
        return trial.run(cfg, tmp_path / into, choices=choices, **keywords)  # type: ignore[arg-type]

    return make


class Reached(BaseException):
    """Nothing is left to be said against a command: what it asks for would now be trained."""


@dataclass
class Asked:
    """What became of a command line, short of training: refused with a status, or what it asks for."""

    status: int | str | None
    lines: list[str]
    study: Any = None

    @property
    def error(self) -> str:
        """The line with which it was refused; the test fails where it was not, or where there are more lines."""
        assert self.status == 2, self
        (line,) = [one for one in self.lines if not one.startswith(("advice:", "note:"))]
        assert line.startswith("error: "), line
        return line

    @property
    def notes(self) -> str:
        """What of it has no effect, or another one."""
        return "\n".join(line for line in self.lines if line.startswith("note:"))


@pytest.fixture
def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, digits_cache: Path
) -> Callable[..., Asked]:
    """`ask("-m", "optimizer=adam,sgd")`: `python src/train.py` in this process, on the digits, up to the training."""
    from regimens import cli
    from regimens.study import run_study
    from regimens.trial import single

    found: list[Any] = []

    def define(*arguments: Any, **keywords: Any) -> None:
        found.append(defined(*arguments, **keywords))
        raise Reached

    def fit(*arguments: Any, **keywords: Any) -> None:
        raise Reached

    defined = run_study.define
    monkeypatch.setattr(run_study, "define", define)
    monkeypatch.setattr(single, "fit", fit)
    monkeypatch.setenv("REGIMENS_ROOT", str(tmp_path))

    def make(*arguments: str, small: tuple[str, ...] = ("data=digits", "data.train_size=64", "tracking=none")) -> Asked:
        GlobalHydra.instance().clear()
        found.clear()
        status: int | str | None = "reached"
        try:
            status = cli.main(["src/train.py", *small, f"paths.data={digits_cache}", *arguments])
        except Reached:
            pass
        except SystemExit as end:
            status = end.code
        told = capsys.readouterr().err
        assert "Traceback" not in told, told
        return Asked(status, [line for line in told.splitlines() if line], found[0] if found else None)

    return make


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as it is made, which takes seconds; tests copy it."""
    from regimens.tracking.connection import prepare
    from regimens.tracking.sqlite_file import make

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    prepare(f"sqlite:///{path}")
    make(f"sqlite:///{path}")
    return path


@pytest.fixture
def tracker(new_database: Path, tmp_path: Path) -> Callable[..., Any]:
    """`tracker("a")`: MLflow with a database of its own, `tmp_path/a/mlflow.db`, which is made if it is not there."""
    from regimens.tracking.mlflow import Mlflow

    count = itertools.count(1)

    def make(folder: str = ".") -> Any:
        path = tmp_path / folder / "mlflow.db"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(new_database, path)
            with contextlib.closing(sqlite3.connect(path)) as connection, connection:  # no two are made at once
                connection.execute("UPDATE experiments SET creation_time = creation_time + ?", [next(count)])
        return Mlflow(f"sqlite:///{path}", "regimens", "mlartifacts")

    return make
