"""Where Fashion-MNIST is looked for, what is said where it is not there, and the notes' numbers on the real files."""

import functools
import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from regimens import data
from regimens.core.errors import DataError
from regimens.data import fashion, sources

A30 = [4, 0, 5, 7, 7, 7, 4, 4, 3, 4, 0, 1, 6, 3, 4, 3, 2, 6, 5, 3, 4, 5, 1, 3, 4, 2, 0, 6, 7, 1]
B30 = [1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 1]


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Fashion-MNIST anywhere; the published files are four tiny ones."""
    for name in ("FASHION_MNIST_DIR", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    made = {
        name: idx(rng.integers(0, 256, (20, 2, 2), np.uint8) if "images" in name else (np.arange(20) % 10).astype("u1"))
        for name in fashion.FILES
    }
    monkeypatch.setattr(fashion, "FILES", {name: hashlib.sha256(made[name]).hexdigest() for name in made})
    supply = tmp_path / "supply"
    supply.mkdir()
    for name, content in made.items():
        (supply / f"{name}.gz").write_bytes(gzip.compress(content))
    return supply


def at(supply: Path, place: str | Path) -> Path:
    place = Path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    supply.rename(place)
    return place


def obtain(**options: object) -> dict[str, bytes]:
    return fashion.obtain(**({"dir": None, "cache": "cache", "mirrors": ()} | options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "place",
    [
        "cache/fashion-mnist",
        "home/.keras/datasets/fashion-mnist",
        "data/FashionMNIST/raw",
        "home/data/FashionMNIST/raw",
    ],
)
def test_every_usual_place_is_looked_in(alone: Path, place: str) -> None:
    at(alone, place)
    assert set(obtain()) == set(fashion.FILES)


def test_named_folders_come_first(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_MNIST_DIR", "by-variable")
    named = [words for words, _ in fashion.places("by-key", "cache")]
    assert named == ["data.dir", "$FASHION_MNIST_DIR", "the project's cache", "Keras", "torchvision", "torchvision"]
    at(alone, "by-variable")
    assert obtain()
    assert not Path("cache").exists()


def test_unpacked_files_do(alone: Path) -> None:
    for path in alone.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert sources.fashion_mnist(dir=str(alone)).x_train.shape == (20, 2, 2)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: path.unlink(), r"no train-labels-idx1-ubyte\.gz"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), r"train-labels-idx1-ubyte\.gz is truncated gzip"),
        (lambda path: path.write_bytes(b"<html>"), r"train-labels-idx1-ubyte\.gz is a web page \(HTML\)"),
        (lambda path: path.write_bytes(b""), r"train-labels-idx1-ubyte\.gz is not gzip"),
        (lambda path: path.write_bytes(gzip.compress(b"other")), r"is not the published file \(SHA-256 differs\)"),
    ],
)
def test_a_broken_folder_is_named_with_its_reason(alone: Path, break_it: object, reason: str) -> None:
    break_it(alone / "train-labels-idx1-ubyte.gz")  # type: ignore[operator]
    with pytest.raises(fashion.Unavailable, match=rf"data\.dir, .*supply: .*{reason}"):
        obtain(dir=str(alone))


def test_a_broken_folder_is_passed_over_where_another_place_has_it(
    alone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at(alone, "cache/fashion-mnist")
    assert obtain(dir=str(tmp_path / "typo"))
    assert "data.dir" in caplog.text
    assert "no such folder" in caplog.text


def test_the_message_names_every_place_and_the_way_out(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "TRIES", 1)
    with pytest.raises(fashion.Unavailable) as caught:
        obtain(dir="typo", mirrors=("http://127.0.0.1:9/",))
    message = str(caught.value)
    for words in ("data.dir, typo", "project's cache, cache/fashion-mnist", "Keras, ", "torchvision, ",
                  "http://127.0.0.1:9/train-images-idx3-ubyte.gz: ", "data.dir=FOLDER", "FASHION_MNIST_DIR=FOLDER",
                  "data=digits", "t10k-labels-idx1-ubyte.gz"):  # fmt: skip
        assert words in message


def test_a_download_lands_in_the_cache(alone: Path) -> None:
    mirror = alone.as_uri() + "/"
    assert set(obtain(mirrors=[mirror])) == set(fashion.FILES)
    assert {path.name for path in Path("cache/fashion-mnist").glob("*.gz")} == {f"{name}.gz" for name in fashion.FILES}
    assert obtain(mirrors=())


def test_an_unwritable_cache_is_named(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(DataError, match="cannot write cache/fashion-mnist: Not a directory"):
        obtain(mirrors=[alone.as_uri()])


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00", b"\x1f\x8b\x08\x01abc", b"\x00\x00\x08\x03\x00\x00", idx(np.zeros(9, "u1"))[:-1]]
)
def test_bytes_that_are_no_idx_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"is not an IDX file|is truncated"):
        fashion.decode(content, "images")


@pytest.fixture(scope="module")
def folder(clothes: "functools.partial[sources.Arrays]", tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    data.prepare(clothes, dataset="fashion_mnist", directory=directory, n_valid=5000)
    return directory


def test_the_notes_split_and_labels(clothes: "functools.partial[sources.Arrays]", folder: Path) -> None:
    load = functools.partial(data.load, clothes, dataset="fashion_mnist", directory=folder, scale="unit", n_valid=5000)
    a, b = load(kind="a"), load(kind="b")
    assert a.x_train.shape == (43986, 28 * 28)
    assert a.y_train[:30].tolist() == A30
    assert (a.n_outputs, a.n_classes, a.binary, len(a.x_test)) == (8, 8, False, 8000)
    assert b.y_train[:30].tolist() == B30
    assert (len(b.x_train), len(b.x_test), b.n_outputs, b.binary) == (200, 2000, 1, True)
    assert b.y_train.mean().item() == pytest.approx(0.495)
    assert b.class_names == ("sandal", "shirt")
    assert 0 <= a.x_train.min() < a.x_train.max() <= 1


def test_the_notes_standardised_extremes(clothes: "functools.partial[sources.Arrays]", folder: Path) -> None:
    # docs/reference/parity.md, section 9: max |z| is 179 in training, 219 in validation, 379 in test
    split = data.load(clothes, dataset="fashion_mnist", directory=folder, scale="standardize", n_valid=5000, kind="all")
    found = [x.abs().max().item() for x in (split.x_train, split.x_valid, split.x_test)]
    assert found == pytest.approx([179, 219, 379], abs=0.5)
    assert split.x_train.mean().item() == pytest.approx(0, abs=1e-4)
