"""On a machine that others use too: no password is written or printed, modes follow the umask, nothing is unpickled."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import UserError
from regimens.inference.predict import load
from regimens.training.transfer import load_weights
from tests.conftest import CONF

ROOT = CONF.parent
PASSWORD = "Sw0rd-of.Dam%2Focles"
# Nothing listens at the discard port.
SERVER, DATABASE = f"http://me:{PASSWORD}@127.0.0.1:9", f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/studies"
SMALL = ("data=digits", "data.train_size=100", "epochs=1", "model.hidden=[8]")


def command(folder: Path, *arguments: str) -> tuple[int, str]:
    """The status and all output of src/train.py, small, with its files in `folder`."""
    multirun, rest = [one for one in arguments if one == "-m"], [one for one in arguments if one != "-m"]
    line = [sys.executable, str(ROOT / "src" / "train.py"), *multirun, *SMALL, f"paths.root={folder}", *rest]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_no_password_in_any_file_or_message_of_any_command(tmp_path: Path) -> None:
    commands = [
        ((f"tracking.uri={SERVER}",), 0),
        ((f"tracking.uri={SERVER}", "optimizer.lr=-1"), 2),
        ((f"tracking.uri={SERVER}", "optimizer.l=1"), 2),
        ((f"tracking.uri={SERVER}", "name=full"), 1),
        ((f"tracking.uri={SERVER}", "trainer=ddp", "trainer.accelerator=cpu"), 0),
        (("-m", f"tracking.uri={SERVER}", "optimizer=sgd,adam", "study.workers=2"), 0),
        (("-m", f"tracking.uri={SERVER}", "optimizer=sgd,adam", "study.workers=2"), 0),
        (("-m", f"tracking.uri={SERVER}", "optimizer=sgd", "activation.nix=1"), 2),
        (("-m", f"tracking.uri={SERVER}", "optimizer=sgd,nix"), 2),
        (("-m", f"study.storage={DATABASE}", "optimizer=sgd,adam", "tracking=none"), 2),
    ]
    (tmp_path / "runs" / "full" / "final.safetensors").mkdir(parents=True)  # where a file is to be written
    for arguments, status in commands:
        found, output = command(tmp_path, *arguments)
        assert found == status, (arguments, output)
        assert PASSWORD not in output, (arguments, output)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_files_have_the_users_mode(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert command(tmp_path, "name=one")[0] == 0
        assert command(tmp_path, "-m", "optimizer=sgd,adam", "study.workers=2")[0] == 0
    finally:
        os.umask(before)
    # With a model, MLflow keeps a copy of this package's code, in the code's own modes.
    paths = [path for path in tmp_path.rglob("*") if "code" not in path.parts]
    modes = {path: path.stat().st_mode & 0o777 for path in paths}
    names = {re.sub(r"-[0-9a-f]{8,}", "", path.name) for path in modes}
    expected = {"result.json", "final.safetensors", "journal.log", "study.json", "mlflow.db", "definition.lock"}
    assert expected <= names and "adhoc.csv" in names
    for path, mode in modes.items():
        assert mode == (0o777 if path.is_dir() else 0o666) & ~umask, (path, oct(mode))


class Bomb:
    """Says so if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_a_pickle_from_somebody_else_does_not_run(tmp_path: Path) -> None:
    run, mark = tmp_path / "run", tmp_path / "ran"
    run.mkdir()
    (run / "config.yaml").write_text("seed: 1\n")
    for name in ("final.safetensors", "best.safetensors", "inputs.safetensors", "a.ckpt", "a.npz"):
        (run / name).write_bytes(pickle.dumps(Bomb(mark)))
    for wanted in (run, run / "final.safetensors", run / "a.ckpt"):
        with pytest.raises(UserError, match="not a safetensors file"):
            load_weights(str(wanted))
    with pytest.raises(UserError):
        load(run)
    assert not mark.exists()
    pickle.loads((run / "a.ckpt").read_bytes())
    assert mark.exists()  # it would have run


def test_nothing_here_unpickles() -> None:
    sources = {path: path.read_text() for path in (ROOT / "src").rglob("*.py")}
    pattern = r"\btorch\.load\(|\bpickle\.loads?\(|\bimport pickle|\bjoblib\.load|allow_pickle=True|read_pickle"
    assert [path.name for path, text in sources.items() if re.search(pattern, text)] == []


def test_an_array_of_objects_is_refused_unread(tmp_path: Path) -> None:
    from regimens.data.sources import arrays

    mark = tmp_path / "ran"
    np.savez(tmp_path / "x.npz", X_train=np.array([Bomb(mark)], dtype=object), y_train=np.zeros(1))
    with pytest.raises(UserError, match="pickled"):
        arrays(tmp_path / "x.npz")
    assert not mark.exists()
