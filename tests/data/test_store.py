"""Prepared files: whole or absent, checked when read, made again when they are not what they claim."""

import errno
import functools
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from regimens import data
from regimens.core import files
from regimens.core.errors import DataError
from regimens.data import sources
from regimens.data.split import Split
from tests.data.conftest import Npz

DIGITS = functools.partial(sources.digits)
SIZES = {"dataset": "digits", "n_valid": 300, "n_test": 360, "shuffle": 0}
ROOT = Path(__file__).parents[2]


def load(directory: Path, **changes: object) -> Split:
    return data.load(DIGITS, **({"directory": directory, "scale": "unit"} | SIZES | changes))  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(one: Split, two: Split) -> bool:
    parts = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
    return one.manifest == two.manifest and all(torch.equal(getattr(one, p), getattr(two, p)) for p in parts)


def test_a_split_has_the_promised_types(tmp_path: Path) -> None:
    split = load(tmp_path)
    assert split.x_train.shape == (1137, 64)
    assert (len(split.x_valid), len(split.x_test)) == (300, 360)
    assert (split.x_train.dtype, split.y_train.dtype) == (torch.float32, torch.int64)
    assert (split.n_inputs, split.n_outputs, split.binary, split.n_classes) == (64, 10, False, 10)
    assert split.x_train.max() == 1.0
    assert split.class_names == tuple("0123456789")
    assert json.loads(json.dumps(split.manifest)) == split.manifest
    assert split.manifest["sizes"] == {"train": 1137, "valid": 300, "test": 360}
    assert all(count > 0 for counts in split.manifest["class_counts"].values() for count in counts.values())


def test_task_b_is_binary_floats(tmp_path: Path) -> None:
    split = load(tmp_path, kind="b", b_classes=[0, 2], b_train=20)
    assert split.y_train.dtype == torch.float32
    assert set(split.y_train.tolist()) == {0.0, 1.0}
    assert (len(split.y_train), split.n_outputs, split.class_names) == (20, 1, ("0", "2"))
    assert len(load(tmp_path, kind="b").y_train) == 200
    assert len(load(tmp_path, kind="b", b_train=None).y_train) > 200


def test_prepare_writes_the_manifest_and_load_reads_it(tmp_path: Path) -> None:
    fresh = load(tmp_path / "elsewhere")
    folder, _ = data.prepare(DIGITS, directory=tmp_path, **SIZES)  # type: ignore[arg-type]
    assert folder == tmp_path / "digits"
    assert names(folder) == ["manifest.json", "test.safetensors", "train.safetensors", "valid.safetensors"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sizes"] == {"train": 1137, "valid": 300, "test": 360}
    assert sum(manifest["class_counts"]["train"].values()) == 1137
    assert str(tmp_path) not in json.dumps(manifest)
    assert same(load(tmp_path), fresh)
    assert names(tmp_path / "elsewhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits", "elsewhere"]


def test_prepare_is_the_same_every_time(tmp_path: Path) -> None:
    one, _ = data.prepare(DIGITS, directory=tmp_path / "one", **SIZES)  # type: ignore[arg-type]
    two, _ = data.prepare(DIGITS, directory=tmp_path / "two", **SIZES)  # type: ignore[arg-type]
    two, _ = data.prepare(DIGITS, directory=tmp_path / "two", **SIZES)  # type: ignore[arg-type]
    for name in names(one):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_another_split_leaves_the_prepared_one_alone(tmp_path: Path) -> None:
    folder, _ = data.prepare(DIGITS, directory=tmp_path, **SIZES)  # type: ignore[arg-type]
    before = (folder / "manifest.json").read_bytes()
    assert len(load(tmp_path, n_valid=100).x_valid) == 100
    assert (folder / "manifest.json").read_bytes() == before
    again = functools.partial(sources.digits)
    assert len(data.load(again, directory=tmp_path, scale="none", **(SIZES | {"n_valid": 100})).x_valid) == 100  # type: ignore[arg-type]


def test_the_hash_names_data_split_scaling_and_task(tmp_path: Path) -> None:
    variants: list[dict[str, object]] = [{}, {"scale": "standardize"}, {"kind": "a"}, {"kind": "b"}, {"shuffle": 1},
                {"kind": "b", "b_train": 20}, {"kind": "b", "b_classes": [0, 2]}, {"train_size": 200},
                {"train_size": 200, "held_out": 300}]  # fmt: skip
    hashes = [load(tmp_path, **changes).manifest["hash"] for changes in variants]
    assert len(set(hashes)) == len(variants)
    assert load(tmp_path).manifest["hash"] == hashes[0]
    assert load(tmp_path, b_train=20).manifest["hash"] == hashes[0]


def test_trials_of_one_task_share_its_tensors_and_no_others(tmp_path: Path) -> None:
    first = load(tmp_path)
    assert load(tmp_path) is first
    for change in ({"scale": "standardize"}, {"train_size": 200}, {"kind": "b"}, {"n_valid": 100}, {"tested": False}):
        assert not same(load(tmp_path, **change), first)
    assert load(tmp_path) is not first  # only the last ones are kept
    assert same(load(tmp_path), first)


def test_what_no_trial_trains_on_tests_if_asked(tmp_path: Path) -> None:
    whole, cut = load(tmp_path), load(tmp_path, train_size=200, held_out=300)
    assert torch.equal(cut.x_train, whole.x_train[:200])
    assert torch.equal(cut.x_test, torch.cat([whole.x_test, whole.x_train[-300:]]))
    assert torch.equal(cut.y_test, torch.cat([whole.y_test, whole.y_train[-300:]]))
    assert torch.equal(cut.x_valid, whole.x_valid)
    assert cut.manifest["sizes"]["test"] == len(cut.y_test)
    # The same ones however much is trained on, and never what is trained on.
    assert torch.equal(load(tmp_path, train_size=837, held_out=300).x_test, cut.x_test)
    for size, told in ((838, "838"), (1137, "1137"), (None, "null")):
        with pytest.raises(
            DataError, match=rf"data\.held_out=300 and data\.train_size={told}: of 1137 training examples"
        ):
            load(tmp_path, train_size=size, held_out=300)
    b = load(tmp_path, train_size=200, held_out=300, kind="b", b_train=20)
    assert torch.equal(b.x_test, cut.x_test[(cut.y_test == 5) | (cut.y_test == 6)])


def test_what_a_split_keeps_together_is_not_held_out(tmp_path: Path) -> None:
    rows = [f"{k},{k % 7},{'ab'[k % 2]},{k // 10}" for k in range(90)]
    (tmp_path / "own.csv").write_text("\n".join(["x,z,label,who", *rows]) + "\n")
    named = {"dataset": "own", "directory": tmp_path / "data", "scale": "none", "n_valid": 0.2}
    for kept, how in {"groups": {"group": "who"}, "times": {"time": "who"}, "folds": {}}.items():
        source = functools.partial(sources.csv, str(tmp_path / "own.csv"), "label", **how)
        folds = {"folds": 3} if kept == "folds" else {}
        for _ in range(2):  # prepared, and read back
            assert len(data.load(source, **named, **folds, train_size=20).y_train) == 20  # type: ignore[arg-type]
            with pytest.raises(DataError, match=rf"data\.held_out=10: .* shares {kept} with it"):
                data.load(source, **named, **folds, train_size=20, held_out=10)  # type: ignore[arg-type]


def test_a_and_b_are_scaled_alike_by_the_training_set_they_come_from(tmp_path: Path) -> None:
    whole = load(tmp_path, scale="standardize")
    b = load(tmp_path, scale="standardize", kind="b")
    mask = (whole.y_test == 5) | (whole.y_test == 6)
    assert torch.equal(b.x_test, whole.x_test[mask])
    cut = load(tmp_path, scale="standardize", train_size=200)
    assert cut.x_train.mean().abs() < 1e-6


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("break_it", [_truncate, _flip, Path.unlink])
@pytest.mark.parametrize("name", ["train.safetensors", "test.safetensors", "manifest.json"])
def test_damaged_prepared_files_are_made_again(tmp_path: Path, name: str, break_it: object) -> None:
    good = load(tmp_path / "good")
    folder, _ = data.prepare(DIGITS, directory=tmp_path, **SIZES)  # type: ignore[arg-type]
    break_it(folder / name)  # type: ignore[operator]
    assert same(load(tmp_path), good)


CALLS: list[int] = []


def slow_digits() -> sources.Arrays:
    CALLS.append(1)
    time.sleep(0.1)
    return sources.digits()


def test_workers_that_start_at_once_prepare_once(tmp_path: Path) -> None:
    def work(_: int) -> Split:
        return data.load(slow_digits, directory=tmp_path, scale="unit", **SIZES)  # type: ignore[arg-type]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(work, range(4))
    assert len(CALLS) == 1
    assert all(same(first, other) for other in others)


def test_a_source_without_a_name_is_never_kept(tmp_path: Path) -> None:
    load_it = functools.partial(data.load, directory=tmp_path, scale="unit", **SIZES)
    assert same(load_it(lambda: sources.digits()), load_it(lambda: sources.digits()))
    assert names(tmp_path) == []


def test_changed_user_files_are_noticed(tmp_path: Path, npz: Npz) -> None:
    def read() -> Split:
        source = functools.partial(sources.arrays, path=str(tmp_path / "my.npz"))
        return data.load(source, dataset="arrays", directory=tmp_path, scale="standardize", n_valid=0.2, shuffle=0)

    npz()
    first = read()
    npz(X_train=np.ones((60, 5)))
    assert (first.n_inputs, read().n_inputs) == (4, 5)


def test_given_parts_are_kept(tmp_path: Path, npz: Npz) -> None:
    path = npz(X_test=np.zeros((7, 4)), y_test=[0] * 7, X_valid=np.zeros((5, 4)), y_valid=[1] * 5)
    source = functools.partial(sources.arrays, path=path)
    split = data.load(source, dataset="arrays", directory=tmp_path, scale="none", n_valid=0.2, shuffle=0)
    assert (len(split.x_train), len(split.x_valid), len(split.x_test)) == (60, 5, 7)
    assert torch.equal(split.y_train, torch.arange(60) % 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_size": 0}, r"data\.train_size=0: the training set has 1137 examples"),
        ({"train_size": 2000}, r"data\.train_size=2000: the training set has 1137 examples"),
        ({"train_size": 3}, "the training set has no example of class"),
        ({"kind": "b", "b_train": 0}, r"task\.b_train=0: classes \[5, 6\] have 2\d\d training examples"),
        ({"kind": "b", "b_train": 5000}, r"task\.b_train=5000: classes \[5, 6\] have 2\d\d training examples"),
        ({"kind": "b", "b_train": "few"}, r"task\.b_train=few"),
        ({"train_size": 0.5}, r"data\.train_size=0\.5"),
        ({"held_out": 0.5}, r"data\.held_out=0\.5"),
        ({"held_out": -1}, r"data\.held_out=-1"),
        ({"kind": "b", "b_train": 1}, "the training set has no example of class"),
        ({"n_valid": 1797}, "leave nothing of the 1797 training examples"),
        ({"n_valid": 1000}, r"the validation set \(1000\) is larger than the training set \(437\)"),
        ({"scale": "unity"}, r"data\.scale=unity"),
        ({"kind": "b", "b_classes": [5, 11]}, r"task\.b_classes=\[5, 11\]"),
    ],
)
def test_impossible_cuts_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on the disk while writing .*digits: free some space"),
        (errno.EACCES, "cannot write .*digits: Permission denied: make the folder writable"),
        (errno.EROFS, "cannot write .*digits: Read-only file system: make the folder writable"),
    ],
)
def test_a_refusing_disk_costs_nothing_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    folder, _ = data.prepare(DIGITS, directory=tmp_path, **SIZES)  # type: ignore[arg-type]
    before = (folder / "train.safetensors").read_bytes()

    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(DataError, match=message):
        data.prepare(DIGITS, directory=tmp_path, **(SIZES | {"n_valid": 100}))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]
    assert (folder / "train.safetensors").read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write .*Not a directory|cannot write .*File exists"):
        data.prepare(DIGITS, directory=tmp_path / "file", **SIZES)  # type: ignore[arg-type]
    assert len(load(tmp_path / "file").x_valid) == 300  # a trial does not need the folder
    assert "in memory" in caplog.text


@pytest.mark.parametrize("path", sorted((ROOT / "conf" / "data").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_data_yaml_fits_its_source(path: Path) -> None:
    from regimens.core.build import check

    node = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(node, dict)
    assert node["name"] == path.stem
    # Data sets with a published split have no choice to stratify it, so that what names them stays as it was.
    only_by_a_study = {"folds", "fold"}
    assert set(data.SPLIT_KEYS) - {"stratify"} - only_by_a_study <= set(node)
    node.pop("defaults", None)  # Hydra's own
    check({str(key): value for key, value in node.items() if key not in data.SPLIT_KEYS})


@pytest.mark.parametrize("name", ["all", "a", "b"])
def test_every_task_yaml_fits_load(tmp_path: Path, name: str) -> None:
    node = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "task" / f"{name}.yaml"))
    assert isinstance(node, dict)
    assert load(tmp_path, **{str(key): value for key, value in node.items()}).binary == (name == "b")


def test_importing_the_room_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'sklearn', 'pandas', 'hydra', 'omegaconf', 'mlflow', 'optuna', 'safetensors', 'rich'}"
    code = f"import sys, regimens.data, regimens.data.loader; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
