"""Small data sets to break in one way at a time."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimens.data import fashion, sources
from regimens.inference import predict
from tests.conftest import Train
from tests.data.handed import Fit

Npz = Callable[..., str]


@pytest.fixture
def npz(tmp_path: Path) -> Npz:
    """Writes an .npz of 60 examples, 3 classes, 4 features; keywords replace, add or (None) drop arrays."""

    def write(**changes: object) -> str:
        rng = np.random.default_rng(0)
        content = {"X_train": rng.normal(size=(60, 4)), "y_train": np.arange(60) % 3} | changes
        path = tmp_path / "my.npz"
        np.savez(path, **{name: value for name, value in content.items() if value is not None})  # type: ignore[arg-type]
        return str(path)

    return write


@pytest.fixture(scope="session")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> "functools.partial[sources.Arrays]":
    """The real Fashion-MNIST where this machine has it; no test downloads it."""
    source = functools.partial(sources.fashion_mnist, cache=str(Path(__file__).parents[2] / "cache"), mirrors=())
    try:
        fashion.obtain(None, source.keywords["cache"], mirrors=())
    except fashion.Unavailable:
        pytest.skip("Fashion-MNIST cannot be had: set FASHION_MNIST_DIR")
    return source


@pytest.fixture
def fit(train: Train, tmp_path: Path) -> Fit:
    """`fit(path, target)`: a network trained on a table for a moment, as predictions find it."""

    def make(path: Path | str, target: str, *overrides: str) -> predict.Model:
        own = ("data=csv", "data.train_size=null", f"paths.data={tmp_path}/data", "batch_size=8", "optimizer=adam")
        train(*own, f"data.path='{path}'", f"data.target='{target}'", *overrides)
        return predict.load(tmp_path / "trial")

    return make
