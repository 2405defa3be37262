"""Pictures on disk: a folder a class, of one size or brought to one, and the same pictures at prediction."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regimens.core.errors import DataError, UserError
from regimens.data import pictures, sources
from regimens.data.folder import folder
from regimens.inference import predict
from tests.conftest import CONF, Train


def paint(root: Path, count: int = 20, size: tuple[int, int] = (8, 6), mode: str = "L", ending: str = "png") -> Path:
    """`count` pictures of each of two classes, the one dark, the other bright; sizes are (height, width)."""
    draw = np.random.default_rng(0)
    for number, name in enumerate(("dark", "bright")):
        (root / name).mkdir(parents=True, exist_ok=True)
        for one in range(count):
            levels = draw.integers(0, 128, (*size, 3), dtype=np.uint8) + np.uint8(127 * number)
            Image.fromarray(levels).convert(mode).save(root / name / f"{one:03}.{ending}")
    return root


def test_a_folder_is_a_class(tmp_path: Path) -> None:
    found = folder(str(paint(tmp_path / "photos")))
    assert (found.x_train.shape, found.x_train.dtype, found.class_names) == ((40, 8, 6), np.uint8, ("bright", "dark"))
    assert found.y_train.tolist() == [0] * 20 + [1] * 20
    assert found.x_train[0].mean() > 127 > found.x_train[-1].mean()
    assert found.told == ("photos: 40 pictures of 8 x 6 in 2 classes: bright, dark",)
    assert folder(str(paint(tmp_path / "colors", mode="RGB", ending="JPG"))).x_train.shape == (40, 8, 6, 3)
    (tmp_path / "photos" / "dark" / "notes.txt").write_text("left out")
    (tmp_path / "photos" / "dark" / ".hidden.png").write_text("left out")
    assert len(folder(str(tmp_path / "photos")).x_train) == 40


def test_parts_are_taken_as_they_are(tmp_path: Path) -> None:
    for part, count in (("train", 9), ("val", 4), ("test", 3)):
        paint(tmp_path / "photos" / part, count)
    found = folder(str(tmp_path / "photos"))
    assert [len(x) for x, _ in found.parts().values()] == [18, 8, 6]


def test_sizes_and_channels_are_found_or_given(tmp_path: Path) -> None:
    paint(tmp_path / "photos")
    Image.new("RGB", (4, 10)).save(tmp_path / "photos" / "dark" / "odd.png")
    with pytest.raises(
        DataError, match=r"odd\.png is 10 x 4, most are 8 x 6, of 2 sizes in all: say one with data\.size='\[8, 6\]'$"
    ):
        folder(str(tmp_path / "photos"))
    assert folder(str(tmp_path / "photos"), size=[5, 7]).x_train.shape == (41, 5, 7, 3)
    assert folder(str(tmp_path / "photos"), size=4, channels=1).x_train.shape == (41, 4, 4)
    for size, channels in (([0, 3], None), ("small", None), ([1, 2, 3], None), (None, 2), (None, "grey")):
        with pytest.raises(DataError, match=r"data\.(size|channels)=.*: give"):
            folder(str(tmp_path / "photos"), size=size, channels=channels)


def test_a_picture_lies_as_its_camera_was_held(tmp_path: Path) -> None:
    paint(tmp_path / "photos")
    turned = Image.new("L", (8, 6))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "photos" / "dark" / "turned.png", exif=exif)
    assert folder(str(tmp_path / "photos")).x_train.shape == (41, 8, 6)


def test_what_is_wrong_with_a_folder_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = paint(tmp_path / "photos")
    for path, told in ((tmp_path / "none", "no such folder"), (root / "dark", "has no folders in it"),
                       (root / "dark" / "000.png", "is no folder"), ("", "data.path is missing")):  # fmt: skip
        with pytest.raises(DataError, match=told):
            folder(str(path))
    (root / "empty").mkdir()
    with pytest.raises(DataError, match="no picture in empty: add some"):
        folder(str(root))
    (root / "empty").rmdir()
    content = (root / "dark" / "003.png").read_bytes()
    for kept in (0, 20, len(content) // 2):
        (root / "dark" / "003.png").write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"cannot read .*003\.png: it is no"):
            folder(str(root))
    Image.fromarray(np.full((8, 6), 60_000, np.uint16)).save(root / "dark" / "003.png")
    with pytest.raises(DataError, match=r"003\.png has more than 8 bits a channel"):
        folder(str(root))
    (root / "dark" / "003.png").write_bytes(content)
    monkeypatch.setattr(pictures, "FREE", 1e-9)
    with pytest.raises(
        DataError,
        match=r"40 pictures of 8 x 6 take 0\.0 GiB, all at once .*: give a smaller size, as in data\.size='\[8, 8\]'",
    ):
        folder(str(root))


def test_what_names_a_folder_is_its_content(tmp_path: Path) -> None:
    from functools import partial

    one, two = paint(tmp_path / "a" / "photos"), paint(tmp_path / "b" / "photos")
    names = [sources.identity(partial(folder, path=str(path))) for path in (one, two)]
    assert names[0] == names[1]
    Image.new("L", (6, 8)).save(two / "dark" / "000.png")
    assert sources.identity(partial(folder, path=str(two))) != names[0]


@pytest.mark.thorough
def test_pictures_are_trained_on_and_predicted(train: Train, tmp_path: Path) -> None:
    root = paint(tmp_path / "photos", 30)
    own = ("data=folder", "data.train_size=null", f"data.path={root}", f"paths.data={tmp_path}/data", "batch_size=4")
    train(*own, "epochs=8", "optimizer=adam", "optimizer.lr=0.01")
    model = predict.load(tmp_path / "trial")
    assert model.inputs.shape == (8, 6)
    command = [sys.executable, str(CONF.parent / "src" / "predict.py"), "trial", "photos"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "predictions.csv: 60 predictions\n"
    assert done.stderr == ""
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(row["file"].startswith(row["class"]) for row in rows)
    assert len(predict.read_inputs(root / "dark" / "000.png", model).x) == 1
    Image.new("RGB", (6, 8)).save(tmp_path / "color.png")
    Image.new("L", (9, 9)).save(tmp_path / "large.png")
    for name, told in (("color.png", "is in colours, where grey pictures are taken"), ("data", "has no pictures"),
                       ("large.png", "is 9 x 9, where pictures of 8 x 6 are taken")):  # fmt: skip
        with pytest.raises(UserError, match=told):
            predict.read_inputs(tmp_path / name, model)
    train(*own, "epochs=1", "data.size=[4,4]", "data.channels=1", into="resized")
    assert predict.read_inputs(tmp_path / "color.png", predict.load(tmp_path / "resized")).x.shape == (1, 4, 4)
