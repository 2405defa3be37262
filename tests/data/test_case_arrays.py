"""Arrays in files that people reported elsewhere: names, labels, scales and layouts, and what is told of each.

Kinds 06 (asl-ml-immersion#424, deep_learning#89: trained on 0..255, asked with 0..1) and 19 (MedMNIST#31, skorch#824).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError, UserError
from regimens.data import sources
from regimens.inference import predict
from tests.conftest import Train

from .conftest import Npz

Y = np.arange(60) % 3
LEVELS = np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8)
LEVELS[:, 0, :2] = [0, 255]  # every image spans its range
LEVELS[:, 1] = 60 * Y[:, None]
Fit = Callable[..., predict.Model]


@pytest.fixture
def fit(train: Train, npz: Npz, tmp_path: Path) -> Fit:
    """`fit(X_train=...)`: a network trained on an .npz for a moment, as predictions find it."""

    def make(*overrides: str, **changes: object) -> predict.Model:
        path = npz(y_train=Y, **changes)
        train("data=arrays", f"data.path={path}", "data.train_size=null", f"paths.data={tmp_path}/data", *overrides)
        return predict.load(tmp_path / "trial")

    return make


@pytest.mark.parametrize(
    "names",
    [
        {"x_train": LEVELS, "y_train": Y, "x_test": LEVELS[:6], "y_test": Y[:6]},
        {"train_images": LEVELS, "train_labels": Y[:, None].astype(np.uint8),
         "val_images": LEVELS, "val_labels": Y[:, None], "test_images": LEVELS[:6], "test_labels": Y[:6, None]},
        {"X_train": LEVELS, "y_train": Y.astype(float)},
        {"X_train": LEVELS.astype(np.int64), "y_train": np.array(["a", "b", "c"])[Y]},
    ],
)  # fmt: skip
def test_names_and_labels_in_use_elsewhere_are_read(tmp_path: Path, names: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "my.npz", **names)  # type: ignore[arg-type]
    found = sources.arrays(str(tmp_path / "my.npz"))
    assert found.y_train.tolist() == Y.tolist()
    assert (found.x_valid is None, found.x_test is None) == ("val_images" not in names, len(names) == 2)


def test_arrays_without_names_can_be_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "my.npz", LEVELS, Y)
    with pytest.raises(
        DataError, match=r"it holds arr_0, arr_1; say .* data\.names='\{X_train: arr_0, y_train: arr_1\}'$"
    ):
        sources.arrays(str(tmp_path / "my.npz"))
    names = {"X_train": "arr_0", "y_train": "arr_1"}
    assert sources.arrays(str(tmp_path / "my.npz"), names).x_train.shape == (60, 6, 6)
    assert sources.arrays(str(tmp_path / "my.npz"), "{X_train: arr_0, y_train: arr_1}").n_classes == 3
    with pytest.raises(DataError, match="no array called 'arr_2': it holds arr_0, arr_1"):
        sources.arrays(str(tmp_path / "my.npz"), {**names, "X_test": "arr_2"})
    with pytest.raises(DataError, match="no array called 'x': choose class_names, X_train"):
        sources.arrays(str(tmp_path / "my.npz"), {"x": "arr_0"})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (np.array([b"top", b"shoe", b"bag"]), ("top", "shoe", "bag")),
        (np.array([["top"], ["shoe"], ["bag"]]), ("top", "shoe", "bag")),
        (np.array([" top ", "shoe", "bag"]), ("top", "shoe", "bag")),
        (np.array([3, 5, 7]), ("3", "5", "7")),
        (np.array(["a", "b", "a "]), "class_names has 'a' more than once"),
        (np.array("top"), "class_names is a single <U3: give an array of names"),
        (np.array([1j, 2, 3]), "class_names is a single complex128"),
    ],
)
def test_class_names_of_any_shape(npz: Npz, names: np.ndarray, expected: tuple[str, ...] | str) -> None:
    path = npz(y_train=Y, class_names=names)
    if isinstance(expected, tuple):
        assert sources.arrays(path).class_names == expected
    else:
        with pytest.raises(DataError, match=expected):
            sources.arrays(path)


def test_whole_numbers_beyond_53_bits(npz: Npz) -> None:
    near = np.full((60, 2), 2**60) + np.arange(120).reshape(60, 2)
    with pytest.raises(DataError, match="X_train holds whole numbers of more than 53 bits"):
        sources.arrays(npz(X_train=near))
    far = np.arange(120, dtype=np.int64).reshape(60, 2) * 2**55
    assert sources.arrays(npz(X_train=far)).x_train.dtype == np.float32


def test_offsets_are_kept_until_they_are_taken_off(npz: Npz) -> None:
    near = 1e9 + np.random.default_rng(0).normal(size=(60, 4))
    assert (
        sources.arrays(npz(X_train=near, X_test=near[:6].astype(np.float32), y_test=Y[:6])).x_train.dtype == np.float64
    )
    plain = np.random.default_rng(0).normal(size=(60, 4))
    assert sources.arrays(npz(X_train=plain)).x_train.dtype == np.float32
    assert sources.arrays(npz(X_train=np.full((60, 2), 0.1))).x_train.dtype == np.float32  # nothing to tell apart


@pytest.mark.parametrize("scale", ["standardize", "unit", "none"])
def test_another_scale_is_refused_or_warned_of(fit: Fit, scale: str) -> None:
    model = fit(f"data.scale={scale}", "optimizer.lr=0.001", X_train=LEVELS)
    for wrong, told in ((LEVELS / 255, "hold fractions; the network was trained on levels 0 to 255"),
                        (LEVELS.astype(int) * 2, "the inputs hold 510; the network was trained on levels 0 to 255"),
                        (LEVELS.astype(int) - 128, "the inputs hold -128")):  # fmt: skip
        with pytest.raises(UserError, match=told):
            model.probabilities(wrong)
    assert "is it of another scale?" in model.warnings((LEVELS > 128).astype(np.uint8))[0]
    assert model.warnings(LEVELS[:1]) == []
    assert np.isfinite(model.probabilities(LEVELS.astype(float))).all()


@pytest.mark.thorough
def test_fractions_and_levels_are_told_apart_the_other_way_round(fit: Fit) -> None:
    model = fit(X_train=LEVELS / 255)
    assert "holds 255 in row 1" in model.warnings(LEVELS.astype(float))[0]
    assert "is it of another scale?" in model.warnings(LEVELS / 255**2)[0]
    assert model.warnings(LEVELS / 255) == []
    centered = fit("name=b", X_train=LEVELS / 127.5 - 1)
    assert "is it of another scale?" in centered.warnings(LEVELS / 255)[0]


def test_another_layout_or_order_of_channels(fit: Fit) -> None:
    new = (255 * np.random.default_rng(0).beta([4, 1, 1], [1, 1, 4], (60, 6, 6, 3))).astype(int)
    new[:, 0, 0], new[:, 0, 1] = 0, 255
    model = fit(X_train=new.astype(np.uint8))
    with pytest.raises(
        UserError, match=r"have shape \(60, 3, 6, 6\); .* examples of shape \(6, 6, 3\): bring the axes"
    ):
        model.probabilities(np.moveaxis(new, -1, 1))
    assert "the channels are unlike those of training" in model.warnings(new[..., ::-1])[0]
    assert model.warnings(new) == []
    with pytest.raises(UserError, match=r"which is one example: give \(1, 6, 6, 3\)"):
        model.probabilities(new[0])
    assert model.probabilities(new.reshape(60, -1)).shape == (60, 3)


def test_features_of_their_own_scales_have_their_own_ranges(fit: Fit) -> None:
    draw = np.random.default_rng(0)
    wine = draw.normal([13, 2, 750], [0.8, 0.3, 300], (60, 3))
    model = fit(X_train=wine)
    assert model.warnings(wine) == []
    assert "feature 2 holds 20 in row 1" in model.warnings(wine[:1] * 0 + [13, 20, 750])[0]


def test_what_trains_also_predicts(fit: Fit, npz: Npz, tmp_path: Path) -> None:
    model = fit(X_train=LEVELS)
    expected = model.probabilities(LEVELS)
    x = predict.read_inputs(tmp_path / "my.npz", model).x
    np.testing.assert_array_equal(model.probabilities(x), expected)
    np.save(tmp_path / "just.npy", LEVELS)
    np.testing.assert_array_equal(model.probabilities(predict.read_inputs(tmp_path / "just.npy", model)[0]), expected)
    (tmp_path / "WIDE.CSV").write_text(
        "\n".join([",".join(f"p{n}" for n in range(36)), *(",".join(map(str, row)) for row in LEVELS.reshape(60, -1))])
    )
    np.testing.assert_array_equal(model.probabilities(predict.read_inputs(tmp_path / "WIDE.CSV", model)[0]), expected)
    (tmp_path / "words.csv").write_text("a,b\nx,1\ny,2\n")
    with pytest.raises(UserError, match="column 'a' is not all numbers, on which the network was trained"):
        predict.read_inputs(tmp_path / "words.csv", model)
