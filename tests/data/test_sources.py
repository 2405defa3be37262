"""The user's own files: what is read, and one clear line for each way in which they can be wrong."""

import functools
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data import carve, sources
from tests.data.conftest import Npz


def test_an_npz_gives_its_arrays(npz: Npz) -> None:
    images = np.zeros((9, 5, 5, 3), dtype=np.uint8)
    path = npz(X_train=images, y_train=np.arange(9) % 3, X_test=images[:2], y_test=[[1.0], [2.0]])
    found = sources.arrays(path)
    assert (found.x_train.shape, found.x_train.dtype, found.n_classes) == ((9, 5, 5, 3), np.uint8, 3)
    assert found.x_valid is None
    assert found.y_test is not None
    assert found.y_test.tolist() == [1, 2]
    assert (found.source, list(found.hashes)) == ("my.npz", ["my.npz"])


NAN = np.where(np.arange(240).reshape(60, 4) == 9, np.nan, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X_train": NAN}, r"X_train has a value that is NaN, infinite or .*, the first in row 3 \(at \[2, 1\]"),
        ({"X_train": np.full((60, 4), 1e300)}, "beyond float32"),
        ({"X_train": np.zeros(60)}, r"X_train has shape \(60,\)"),
        ({"X_train": np.zeros((60, 0))}, r"X_train has shape \(60, 0\)"),
        ({"X_train": np.full((60, 4), "x")}, "X_train holds <U1 values"),
        ({"X_train": np.zeros((60, 4), dtype=complex)}, "X_train holds complex128 values"),
        ({"X_train": np.full((60, 4), None)}, "it holds pickled objects, which are never loaded"),
        ({"y_train": np.full(60, None)}, "it holds pickled objects, which are never loaded"),
        ({"X_train": np.zeros((59, 4))}, "59 train inputs but 60 train labels"),
        ({"X_train": np.zeros((0, 4)), "y_train": np.zeros(0, int)}, "the train set is empty"),
        ({"y_train": np.arange(60) % 3 - 1}, "y_train holds the label -1"),
        ({"y_train": np.arange(60) / 2}, "y_train holds NaN or fractions"),
        ({"y_train": np.full(60, np.nan)}, "y_train holds NaN or fractions"),
        ({"y_train": np.eye(3)[np.arange(60) % 3]}, r"y_train has shape \(60, 3\).*argmax"),
        ({"y_train": np.full(60, 1j)}, "y_train holds complex128 values"),
        ({"y_train": np.arange(60) % 3 * 2}, "class 1 of 5 has no training example"),
        ({"y_train": np.arange(60) % 3 * 10**14}, "y_train goes up to 200000000000000 with 3 .*quantity"),
        ({"y_train": np.arange(60) % 3 + 1}, "class 0 of 4 has no training example"),
        ({"y_train": np.zeros(60, int)}, "one class only"),
        ({"class_names": ["a", "b", "c", "d"]}, "class 3 of 4 has no training example"),
        ({"class_names": ["a", "b"]}, "3 classes but 2 class names"),
        ({"y_train": None}, "has no y_train: it holds X_train"),
        ({"X_train": None}, "has no X_train: it holds y_train"),
        ({"X_test": np.zeros((5, 4))}, "has no y_test"),
        (
            {"X_valid": np.zeros((5, 3)), "y_valid": [0] * 5},
            r"a valid example has shape \(3,\), a train example \(4,\)",
        ),
        ({"X_test": np.zeros((5, 4)), "y_test": [3] * 5}, "the test set has label 3, which no training example has"),
        ({"X_test": np.zeros((5, 4), np.uint8), "y_test": [1] * 5}, "test inputs are uint8, train inputs float32"),
    ],
)
def test_a_wrong_npz_is_refused_in_one_line(npz: Npz, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        sources.arrays(npz(**changes))
    assert "\n" not in str(caught.value)
    assert "my.npz" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_a_damaged_npz_is_refused(npz: Npz, keep: int) -> None:
    path = Path(npz())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"it is damaged, or not an \.npz"):
        sources.arrays(str(path))


def test_an_npz_with_flipped_bits_is_refused(npz: Npz) -> None:
    path = Path(npz())
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        sources.arrays(str(path))


def test_words_are_labels_of_an_npz_too(npz: Npz) -> None:
    words = np.array(["b", " a ", "b"] * 20)
    found = sources.arrays(npz(y_train=words, X_test=np.ones((2, 4)), y_test=np.array([b"a", b"b"])))
    assert (found.class_names, found.y_train[:3].tolist()) == (("a", "b"), [1, 0, 1])
    assert found.y_test is not None
    assert found.y_test.tolist() == [0, 1]
    with pytest.raises(DataError, match="y_valid holds 'c', which is none of a, b"):
        sources.arrays(npz(y_train=words, X_valid=np.ones((1, 4)), y_valid=np.array(["c"])))


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        sources.arrays(str(tmp_path / "none.npz"))
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(
        DataError, match=r"has no X_train: it holds X; say which is which, as in data\.names='\{X_train"
    ):
        sources.arrays(str(tmp_path / "one.npy"))
    (tmp_path / "text.npz").write_text("a,b\n")
    with pytest.raises(DataError, match=r"not an \.npz"):
        sources.arrays(str(tmp_path / "text.npz"))


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap.npz"
    trap.write_bytes(b"cbuiltins\nexec\n(S'raise SystemExit(9)'\ntR.")
    with pytest.raises(DataError):
        sources.arrays(str(trap))


def test_a_csv_gives_features_and_named_classes(tmp_path: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_text("height,pet,weight\n1,dog,2\n3,cat,4.5\n")
    found = sources.csv(str(path), "pet")
    assert found.x_train.tolist() == [[1, 2], [3, 4.5]]
    assert (found.y_train.tolist(), found.class_names, found.n_classes) == ([1, 0], ("cat", "dog"), 2)
    path.write_text("height,pet\n1,1\n3,0\n")
    assert sources.csv(str(path), "pet").y_train.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["3", "8", "10"], ("3", "8", "10")),  # grades, in their own order
        (["-1", "1", "1"], ("-1", "1")),
        (["1.0", "2.0", "1.0"], ("1.0", "2.0")),
        (["True", "False", "True"], ("False", "True")),
        (["b", "B", "a"], ("B", "a", "b")),
        (["01", "1", "2"], ("01", "1", "2")),
        (["None", "mild", "NA"], ("NA", "None", "mild")),
        (["inf", "1", "-2"], ("-2", "1", "inf")),
        (["1e19", "2e19", "1e19"], ("1e19", "2e19")),
        (
            ["100000000000000000001", "100000000000000000000", "7"],
            ("7", "100000000000000000000", "100000000000000000001"),
        ),
        (["0.5", "1.5", "0.5"], ("0.5", "1.5")),
        ([" yes ", "no", "yes"], ("no", "yes")),
    ],
)
def test_each_value_of_a_label_column_is_a_class(tmp_path: Path, labels: list[str], classes: tuple[str, ...]) -> None:
    path = tmp_path / "my.csv"
    path.write_text("x,y\n" + "".join(f"{row * row},{label}\n" for row, label in enumerate(labels * 4)))
    found = sources.csv(str(path), "y")
    assert found.class_names == classes
    assert [found.class_names[number] for number in found.y_train[:3]] == [label.strip() for label in labels]


def test_a_csv_can_be_separated_otherwise_and_leave_columns_out(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("id;name;height;pet\n7;rex;1;dog\n8;tom;3;cat\n9;leo;4;cat\n")
    found = sources.csv(str(path), "pet", drop=["name"], separator=";")
    assert found.feature_names == ("id", "height")
    numbered = "my.csv: column 'id' only numbers the rows, and would teach their order in the file"
    assert found.notes == (numbered, "leave such columns out with data.drop='[name, id]'")
    again = sources.csv(str(path), "pet", drop=["name", "id"], separator=";")
    assert again.x_train.tolist() == [[1], [3], [4]]
    assert not again.notes


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("a,b\n1,0\n2,1\n", "label", "has no column 'label': its columns are a, b$"),
        ("1,0\n2,1\n", "label", r"its columns are 1, 0 \(the first line has to name the columns\)"),
        (
            "a,b\nx,0\ny,1\nz,1\n",
            "b",
            r"column 'a' holds 3 different words in 3 cells, 'x' in row 1: mend it, or leave out",
        ),
        ("a,b\n1,0\n?,1\n", "b", r"column 'a' holds '\?' in row 2 among numbers \(data.missing='\[\"\?\"\]' counts"),
        ("a,c,b\n,1,0\n,5,1\n,3,1\n", "b", r"column 'a' is empty: mend it, or leave out .*data\.drop='\[a\]'$"),
        ("a,b\n1e300,0\n2,1\n", "b", "beyond float32"),
        ("a,b\n1,\n2,dog\n", "b", "column 'b' is empty in row 1: every row needs its label"),
        ("a,b\n1,0.5\n2,1\n", "b", "column 'b' holds fractions: these are quantities, and only classes"),
        ("a,b\n1,9\n2,8\n3,7\n4,6\n", "b", "column 'b' has 4 different values in 4 rows: these are quantities"),
        ("a,b\n1,p\n2,q\n3,r\n4,s\n", "b", "4 different values in 4 rows: that is a name for each row and no class"),
        ("a,b\n1,0\n2,0\n", "b", "one class only"),
        ("b\n1\n0\n", "b", "has no column besides the labels"),
        ("a,b\n", "b", "has no rows"),
        ("a b\n1 0\n2 1\n", "b", r"has one column, 'a b': try data\.separator='\" \"'"),
        ("a,b\n1,2,0\n2,3,1\n", "b", "its rows have more cells than its first line has names"),
        ("", "b", "cannot read .*: it is empty: no columns"),
        ("a,b\n1,2,3,4\n1\n1,2,3,4,5,6,7\n", "b", "row 1 has 4 cells, its header names 2 columns: quote"),
    ],
)
def test_a_wrong_csv_is_refused_in_one_line(tmp_path: Path, text: str, target: str, message: str) -> None:
    path = tmp_path / "my.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        sources.csv(str(path), target)
    assert "\n" not in str(caught.value)


def test_a_missing_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        sources.csv(str(tmp_path / "none.csv"), "b")


def test_carving_keeps_order_and_takes_both_ends(npz: Npz) -> None:
    whole = sources.arrays(npz())
    parts = carve.carve(whole, n_valid=6, n_test=0.15, shuffle=None)
    assert parts.x_valid is not None
    assert parts.x_test is not None
    np.testing.assert_array_equal(np.vstack([parts.x_valid, parts.x_train, parts.x_test]), whole.x_train)
    assert (len(parts.x_valid), len(parts.x_test)) == (6, 9)


def test_carving_shuffles_the_same_way_every_time(npz: Npz) -> None:
    whole = sources.arrays(npz())
    one, two = carve.carve(whole, 6, 6, 0), carve.carve(whole, 6, 6, 0)
    np.testing.assert_array_equal(one.x_train, two.x_train)
    assert carve.carve(whole, 6, 6, 1).y_train.tolist() != one.y_train.tolist()
    assert one.x_valid is not None
    assert one.x_test is not None
    rows = np.vstack([one.x_train, one.x_valid, one.x_test])
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(whole.x_train, axis=0))


@pytest.mark.parametrize(
    ("n_valid", "n_test", "message"),
    [
        (60, 1, r"data\.n_valid=60 and data\.n_test=1 leave nothing of the 60 training examples"),
        (35, 5, r"the validation set \(35\) is larger than the training set \(20\): give a smaller data\.n_valid"),
        (0, 5, r"data\.n_valid=0: give a number"),
        (-3, 5, r"data\.n_valid=-3: give a number"),
        (5, 1.5, r"data\.n_test=1\.5: give a number"),
        ("many", 5, r"data\.n_valid=many: give a number"),
        (float("nan"), 5, r"data\.n_valid=nan: give a number"),
    ],
)
def test_impossible_sizes_are_refused(npz: Npz, n_valid: float, n_test: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        carve.carve(sources.arrays(npz()), n_valid, n_test, None)


def test_a_given_validation_set_may_not_outnumber_training(npz: Npz) -> None:
    path = npz(X_valid=np.zeros((61, 4)), y_valid=np.arange(61) % 3)
    with pytest.raises(DataError, match=r"the validation set \(61\) is larger than the training set \(51\)"):
        carve.carve(sources.arrays(path), 5, 0.15, 0)


def test_a_class_that_the_cut_empties_is_refused(npz: Npz) -> None:
    path = npz(y_train=np.array([2] * 5 + [0, 1] * 27 + [0]))
    out = r"no training example is left of class 2 \(5 examples\): shuffle with data\.shuffle=0, or leave out"
    with pytest.raises(DataError, match=out):
        carve.carve(sources.arrays(path), 5, 5, None)


def test_identity_follows_the_content_and_not_the_place(npz: Npz, tmp_path: Path) -> None:
    path = npz()
    first = sources.identity(functools.partial(sources.arrays, path=path))
    copy = tmp_path / "copy.npz"
    copy.write_bytes(Path(path).read_bytes())
    assert sources.identity(functools.partial(sources.arrays, path=str(copy))) == first
    npz(y_train=np.arange(60) % 4)
    assert sources.identity(functools.partial(sources.arrays, path=path)) != first
    here, there = (functools.partial(sources.fashion_mnist, dir=dir) for dir in ("here", "there"))
    assert sources.identity(here) == sources.identity(there)
    assert sources.identity(lambda: sources.digits()) is None


def test_digits_need_no_file() -> None:
    found = sources.digits()
    assert (found.x_train.shape, found.x_train.dtype, found.x_train.max()) == ((1797, 8, 8), np.uint8, 16)
