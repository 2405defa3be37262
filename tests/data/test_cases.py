"""Files that people reported elsewhere, small, one kind of trouble each, and further ones of the same kinds.

`cases/` holds the files; sources of the reports are named where a test is. What is right: it trains as the field
expects, or one line names the column, the row and a way out before anything is trained.
"""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError, UserError
from regimens.data import sources
from regimens.data.arrays import Arrays
from regimens.inference import predict
from tests.conftest import Train

CASES = Path(__file__).parent / "cases"
Fit = Callable[..., predict.Model]


def read(name: str, target: str, **options: object) -> Arrays:
    return sources.csv(str(CASES / name), target, **options)  # type: ignore[arg-type]


def written(path: Path, text: str, **options: object) -> Arrays:
    path.write_text(text)
    return sources.csv(str(path), "y", **options)  # type: ignore[arg-type]


def refusal(name: str, target: str, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(name, target, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(CASES), "")


def rows(*lines: str, times: int = 10) -> str:
    """A table: the header, and below it the other lines again and again."""
    return "\n".join([lines[0], *(lines[1:] * times)]) + "\n"


@pytest.fixture
def fit(train: Train, tmp_path: Path) -> Fit:
    """`fit(path, target)`: a network trained on a table for a moment, as predictions find it."""

    def make(path: Path | str, target: str, *overrides: str) -> predict.Model:
        own = ("data=csv", "data.train_size=null", f"paths.data={tmp_path}/data", "batch_size=8", "optimizer=adam")
        train(*own, f"data.path='{path}'", f"data.target='{target}'", *overrides)
        return predict.load(tmp_path / "trial")

    return make


def answers(model: predict.Model, path: Path) -> tuple[list[str], list[str]]:
    """The classes that a network gives the rows of a file, and the warnings."""
    x, warnings, _ = predict.read_inputs(path, model)
    found = model.probabilities(x)
    assert np.isfinite(found).all()
    return [model.classes[row] for row in found.argmax(1)], [*warnings, *model.warnings(x)]


# 01: columns of True and False, as pandas writes one-hot columns (fastai/course22#99, meta-pytorch/captum#1325)


def test_true_and_false_are_one_and_zero(tmp_path: Path) -> None:
    found = read("01-bool-columns/pets.csv", "adopted")
    assert [column.kind for column in found.columns] == ["number", "boolean", "boolean"]
    assert found.x_train[:2, 1:].tolist() == [[1, 0], [0, 1]]
    found = written(tmp_path / "my.csv", rows("a,y", "TRUE,0", "false,1", ",0"))
    assert (found.columns[0].kind, found.columns[0].gaps) == ("boolean", True)
    assert found.x_train[:2, 0].tolist() == [1, 0]
    with pytest.raises(
        DataError, match=r"column 'a' holds 'perhaps' in row 21, where there are True and False otherwise"
    ):
        written(tmp_path / "my.csv", rows("a,y", "True,0", "False,1") + "perhaps,1\n", types={"a": "boolean"})


# 05: classes too rare to split (pycaret/pycaret#311, ludwig-ai/ludwig#2831)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_every_class_stays_in_training(fit: Fit, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    from regimens.data import carve

    whole = read("05-rare-class/flows.csv", "label")
    parts = carve.carve(whole, 0.2, 0.2, seed, stratify=True)
    assert np.bincount(parts.y_train).tolist() == [29, 30, 1]
    assert parts.notes == (
        "class infiltration has 1 example, none for validation or test: add some, merge it or leave it out",
    )
    five = carve.carve(read("05-rare-class/flows5.csv", "label"), 0.2, 0.2, seed, stratify=True)
    assert [np.bincount(part[1], minlength=3)[2] for part in five.parts().values()] == [3, 1, 1]


def test_a_split_that_loses_a_class_names_it_and_a_way_out() -> None:
    from regimens.data import carve

    whole = read("05-rare-class/flows.csv", "label")
    with pytest.raises(
        DataError, match=r"no training example is left of class infiltration \(1 example\): shuffle with"
    ):
        carve.carve(whole, 0.2, 0.2, None, stratify=True)
    with pytest.raises(DataError, match=r"infiltration \(1 example\): keep .* with \+\+data\.stratify=true"):
        carve.carve(whole, 0.2, 0.2, 2)


# 08: a name twice in the header (openml/OpenML#474, ahlashkari/CICFlowMeter#42)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    assert "its header has a name more than once: 'default' (columns 2, 4)" in refusal(
        "08-label-twice/loans.csv", "default"
    )
    with pytest.raises(DataError, match=r"'a' \(columns 1, 3\); 'b' \(columns 2, 5\)"):
        written(tmp_path / "my.csv", "a,b,a ,y, b\n1,2,3,0,1\n")


# 10: decimal commas (biolab/orange3#4913, mindsdb/mindshub#46)


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    found = read("10-decimal-comma/messung.csv", "defekt")
    assert found.x_train[0].tolist() == pytest.approx([-0.95, -0.46])
    assert any("decimal comma" in line for line in found.told)
    assert "  cells are separated by ';'" in found.told
    assert found.notes == ()
    assert read("10-decimal-comma/messung.csv", "defekt", separator=";").x_train.tolist() == found.x_train.tolist()
    message = refusal("10-decimal-comma/messung.csv", "defekt", separator=",")
    assert message.endswith("""has one column, 'druck;temperatur;defekt': try data.separator='";"'""")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (rows("a;b;y", "1.234,5;0,5;0", "12,25;1,5;1"), [[1234.5, 0.5], [12.25, 1.5]]),  # thousands beside commas
        (rows("a;b;y", "1.234;0,5;0", "2.500;1,5;1"), [[1234, 0.5], [2500, 1.5]]),  # as the other column tells
        (rows('a,b,y', '"1,234",0.5,0', '"12,500",1.5,1'), [[1234, 0.5], [12500, 1.5]]),
        (rows("a,b,y", "1.234,5,0", "2.345,6,1"), [[1.234, 5], [2.345, 6]]),
        (rows("a\tb\ty", "1,5\t2,5\t0", "-3,5e2\t−4\t1"), [[1.5, 2.5], [-350, -4]]),
        (rows("a|b|y", "1|2|0", "3|4|1"), [[1, 2], [3, 4]]),
        ("sep=;\n" + rows("a;b;y", "1;2;0", "3;4;1"), [[1, 2], [3, 4]]),
        (rows("weight, kg;height, cm;y", "1,5;2,5;0", "3,5;4,5;1"), [[1.5, 2.5], [3.5, 4.5]]),
    ],
)  # fmt: skip
def test_marks_and_separators_are_found(tmp_path: Path, text: str, values: list[list[float]]) -> None:
    np.testing.assert_array_equal(written(tmp_path / "my.csv", text).x_train[:2], np.float32(values))


def test_a_mark_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    text = rows("a;y", "1,234;0", "2,345;1")
    with pytest.raises(
        DataError, match=r"""'a' holds '1,234' in row 1 .*: if that is a decimal comma, say data\.decimal='","'"""
    ):
        written(tmp_path / "my.csv", text)
    assert written(tmp_path / "my.csv", text, decimal=",").x_train[:2, 0].tolist() == pytest.approx([1.234, 2.345])
    assert written(tmp_path / "my.csv", text, decimal=".").x_train[:2, 0].tolist() == [1234, 2345]
    with pytest.raises(
        DataError, match=r"'a' holds both '1.5' and '2,5' in row 2 and 9 more: decimal marks of two kinds"
    ):
        written(tmp_path / "my.csv", rows("a;y", "1.5;0", "2,5;1"))


# 11: blanks around cells (pandas-dev/pandas#9067, clinicalml/TabLLM#30)


def test_blanks_around_cells_do_not_count(fit: Fit, tmp_path: Path) -> None:
    found = read("11-padded-cells/padded.csv", "befund")
    assert (found.feature_names, found.class_names) == (("druck", "temp"), ("gut", "schlecht"))
    assert read("11-padded-cells/padded_labels.csv", "befund").class_names == ("gut", "schlecht")
    found = read("11-padded-cells/padded_nan.csv", "befund")
    assert (int(np.isnan(found.x_train).sum()), [column.gaps for column in found.columns]) == (1, [False, True])
    model = fit(CASES / "11-padded-cells/padded_labels.csv", "befund", "epochs=1")
    assert len(answers(model, CASES / "11-padded-cells/padded_labels.csv")[0]) == 60
    tabs = written(tmp_path / "my.tsv", rows(" a\tb \ty", "\xa01 \t 2\t p", '3\t"4 "\tq '))
    assert (tabs.x_train[:2].tolist(), tabs.class_names) == ([[1, 2], [3, 4]], ("p", "q"))


def test_rows_are_neither_lost_nor_made_up(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2 is a blank line: delete it"):
        written(tmp_path / "my.csv", "a,y\n1,0\n\n2,1\n")
    with pytest.raises(DataError, match="row 2 has 1 cell, its header names 2 columns: complete it"):
        written(tmp_path / "my.csv", "a,y\n1,0\n2\n")
    assert len(written(tmp_path / "my.csv", "\n\na,y\n1,0\n2,1\n\n  \n").x_train) == 2
    assert len(written(tmp_path / "my.csv", "a,y\r1,0\r2,1\r").x_train) == 2


# 12: names that neither Hydra nor a shell can read unquoted ('Air temperature [K]', 'Unnamed: 32')


@pytest.mark.parametrize(("name", "target"), [("machine", "Machine failure"), ("odd", "y"), ("tumour", "diagnosis")])
def test_advice_works_when_it_is_typed(name: str, target: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    path = f"12-names-to-drop/{name}.csv"
    try:
        found = read(path, target)
    except DataError as error:
        _, hint, value = str(error).partition("data.drop=")
        done = subprocess.run(["bash", "-c", f"printf %s {hint}{value}"], capture_output=True, text=True, check=True)
        for typed in (done.stdout, hint + value):  # in a shell, and as a script passes it on
            drop = OverridesParser.create().parse_override(typed).value()
            assert read(path, target, drop=drop).feature_names == ("Air temp [K]", "Torque [Nm]")
        return
    assert name != "machine"
    columns = {"odd": ("group (a, b)", "x", "z"), "tumour": ("case no", "radius (mean) [mm]", "texture")}
    assert found.feature_names == columns[name]


def test_a_comma_too_many_in_the_header_makes_no_column(tmp_path: Path) -> None:
    found = read("12-names-to-drop/tumour.csv", "diagnosis")
    assert "tumour.csv: column 5 has no name and no cell, and is left out" in found.notes
    assert written(tmp_path / "my.csv", rows("a,y,", "1,0", "2,1")).feature_names == ("a",)
    named = written(tmp_path / "my.csv", rows(",a,y", "5,1,0", "9,2,1", "7,3,0"))
    assert named.feature_names == ("Unnamed: 0", "a")


# 13: kinds of files (OpenADMET/openadmet-models#451, microsoft/vscode-data-wrangler#362)


@pytest.mark.thorough
def test_whatever_file_trains_also_predicts(fit: Fit, tmp_path: Path) -> None:
    import pandas as pd

    folder = CASES / "13-file-kinds"
    expected, _ = answers(fit(folder / "plain.csv", "y"), folder / "plain.csv")
    content = (folder / "plain.csv").read_bytes()
    (tmp_path / "my.csv.gz").write_bytes(gzip.compress(content))
    pd.read_csv(folder / "plain.csv").to_parquet(tmp_path / "my.parquet")
    (tmp_path / "MY.TSV").write_bytes(content.replace(b",", b"\t"))
    (tmp_path / "none").write_bytes(content)
    (tmp_path / "latin.csv").write_bytes(content.replace(b"a,b", "ä,b".encode("latin-1")))
    subprocess.run(["zip", "-q", "my.zip", "none"], cwd=tmp_path, check=False)
    files = [*folder.iterdir(), *(tmp_path / name for name in ("my.csv.gz", "my.parquet", "MY.TSV", "none"))]
    for path in files:
        model = fit(path, "y")
        assert answers(model, path)[0] == expected, path.name
        assert answers(model, folder / "utf16.csv")[0] == expected
    assert sources.csv(str(tmp_path / "latin.csv"), "y").feature_names == ("ä", "b")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00\x00", b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1nothing",
     b"\xff\xfea", b"\x80\x04\x95", b"BZhno", b"\xfd7zXZ\x00"],
)  # fmt: skip
def test_what_is_no_table_is_told_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sources.csv(str(path), "y")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# 14: a class called None (pandas-dev/pandas#55280, #55032, #50458)


def test_a_class_may_be_called_none(tmp_path: Path) -> None:
    found = read("14-class-called-none/sleep.csv", "disorder")
    assert found.class_names == ("None", "mild")
    assert "sleep.csv: column 'disorder': 'None' counts as a class of its own" in found.notes
    found = written(tmp_path / "my.csv", rows("a,y", "1,NA", "2,null", "3,n/a"))
    assert found.class_names == ("NA", "n/a", "null")
    with pytest.raises(
        DataError, match=r"column 'y' says 'NA' in row 3 .* make it a class with data\.types='\{y: word\}'"
    ):
        written(tmp_path / "my.csv", rows("a,y", "1,0", "2,1", "3,NA"))
    assert written(tmp_path / "my.csv", rows("a,y", "1,0", "2,NA"), types={"y": "word"}).class_names == ("0", "NA")
    word = written(tmp_path / "my.csv", rows("a,y", "None,0", "some,1"))
    assert (word.columns[0].words, word.columns[0].gaps) == (("None", "some"), False)


# 15: quantities that pass for classes (automl/auto-sklearn#293)


def test_a_quantity_is_told_from_classes(tmp_path: Path) -> None:
    message = refusal("15-integer-quantity/progress.csv", "progression")
    assert "'progression' has 193 different numbers in 442 rows, 117 of them rare: these are quantities" in message
    ages = rows("a,y", *(f"{age % 7},{age}" for age in range(18, 60)), times=4)
    assert "its 42 numbers count as 42 classes: are they a quantity?" in written(tmp_path / "my.csv", ages).notes[0]
    with pytest.raises(DataError, match="holds fractions: these are quantities"):
        written(tmp_path / "my.csv", rows("a,y", *(f"{n},{n / 4}" for n in range(20)), times=3))
    assert written(tmp_path / "my.csv", rows("a,y", "1,0.5", "2,1.5")).class_names == ("0.5", "1.5")


# 16: infinity (CIC-IDS2017's Flow Bytes/s)


@pytest.mark.parametrize("value", ["Infinity", "-inf", "1e39", "INF"])
def test_infinity_is_named_with_column_and_row(tmp_path: Path, value: str) -> None:
    message = refusal("16-infinity/flow_rates.csv", "Label")
    assert "column 'Flow Bytes/s' holds Infinity in row 41" in message
    assert message.endswith("""data.drop='["Flow Bytes/s"]'""")
    text = rows("a,b,y", "1,2,0", "3,4,1", "3,2,0") + f"5,{value},1\n"
    with pytest.raises(DataError, match=rf"column 'b' holds {value} in row 31, .* with data\.drop='\[b\]'$"):
        written(tmp_path / "my.csv", text)
    assert np.isnan(written(tmp_path / "my.csv", text, missing=[value]).x_train[30, 1])


# 17: whole numbers of more than 64 bits (pandas-dev/pandas#62582, NVIDIA/cudf#7088)


def test_huge_whole_numbers(tmp_path: Path) -> None:
    assert "column 'tag' holds 100000000000000007919 in row 2, with more" in refusal("17-huge-integers/tags.csv", "y")
    assert "column 'price' holds 60 different words in 60 cells, '1_000'" in refusal(
        "17-huge-integers/underscore.csv", "y"
    )
    assert len(read("17-huge-integers/huge_labels.csv", "y").class_names) == 2
    assert read("17-huge-integers/huge_float_labels.csv", "y").class_names == ("1e19", "2e19")
    # exactly representable, or far enough apart: a number like any other
    found = written(tmp_path / "my.csv", rows("a,y", f"{2**70},0", f"{2**71},1"))
    assert found.x_train[:2, 0].tolist() == [2.0**70, 2.0**71]


def test_small_differences_on_a_large_offset_are_kept(tmp_path: Path) -> None:
    """Seconds since 1970 differ below float32's resolution there, which is 128."""
    from functools import partial

    from regimens import data

    text = rows("a,y", "1700000000,0", "1700000001,1", "1700000003,0")
    found = written(tmp_path / "my.csv", text)
    assert found.x_train.dtype == np.float64
    source = partial(sources.csv, str(tmp_path / "my.csv"), "y")
    how = {"dataset": "csv", "directory": tmp_path, "n_valid": 6, "n_test": 6, "shuffle": 0}
    split = data.load(lambda: source(), scale="standardize", **how)  # type: ignore[arg-type]
    assert len(split.x_train.unique()) == 3
    with pytest.raises(DataError, match=r"data\.scale=none rounds to float32"):
        data.load(lambda: source(), scale="none", **how)  # type: ignore[arg-type]


# 21: columns that cannot be used, in one answer (Kaggle's Titanic)


def test_one_answer_names_all_columns_that_cannot_be_used(fit: Fit) -> None:
    message = refusal("21-passengers/passengers.csv", "Survived")
    for told in (
        "'Name' holds 60 different words",
        "'Cabin' holds 15 different words in 15 cells",
        "'Id' only numbers",
    ):
        assert told in message
    assert message.endswith("data.drop='[Name, Cabin, Id]'")
    path = CASES / "21-passengers/passengers.csv"
    model = fit(path, "Survived", "data.drop='[Name, Cabin, Id]'", "epochs=1")
    assert model.inputs.encoder.width == 2 + 2 + 3  # Age and where it is empty, Sex, Port
    assert answers(model, path)[1] == []
    found = read("21-passengers/passengers.csv", "Survived", drop=["Name", "Id"], types={"Cabin": "word"})
    assert found.feature_names == ("Sex", "Age", "Cabin", "Port")


# 22: labels as in the file, paths that need quotes (hydra-ecosystem/hydra#1577, mapnik/mapnik#993)


def test_labels_are_called_as_in_the_file(fit: Fit, tmp_path: Path) -> None:
    assert read("22-path-and-labels/codes.csv", "code").class_names == ("01", "02", "10")
    merged = read("22-path-and-labels/codes_merge.csv", "code")
    assert merged.class_names == ("01", "1", "2")
    assert "'01' and '1' are two classes; write them alike if they are one" in merged.notes[0]
    assert read("22-path-and-labels/inf_label.csv", "code").class_names == ("1", "2", "inf")
    model = fit(CASES / "22-path-and-labels/codes.csv", "code", "epochs=1")
    assert set(answers(model, CASES / "22-path-and-labels/codes.csv")[0]) <= {"01", "02", "10"}
    found = written(tmp_path / "my.csv", rows("a,y", "1,yes", "2,Yes", "3,no"))
    assert "'Yes' and 'yes' are two classes; write them alike if they are one" in found.notes[0]


def test_codes_with_zeros_in_front_are_words_unless_declared(tmp_path: Path) -> None:
    text = rows("zip,y", "01,0", "1,1", "10,0")
    assert written(tmp_path / "my.csv", text).columns[0].words == ("01", "1", "10")
    assert written(tmp_path / "my.csv", text, types={"zip": "number"}).x_train[:3, 0].tolist() == [1, 1, 10]


def test_lines_inside_cells_count_as_one_row() -> None:
    assert "column 'b' holds 'zz' in row 41 among numbers" in refusal("22-path-and-labels/newlines.csv", "y")
    found = read("22-path-and-labels/newlines.csv", "y", missing="zz")
    assert found.columns[1].words == ("first line\nsecond, line", "x")


def test_a_forgotten_target_is_told_with_the_columns(tmp_path: Path) -> None:
    message = refusal("22-path-and-labels/codes.csv", "???")
    assert "data.target is missing: say which column holds the labels" in message
    assert message.endswith("as in data.target=code; its columns are a, b, code")
    with pytest.raises(DataError, match=r"has no column 'Y': its columns are a, y; did you mean 'y'\?"):
        (tmp_path / "my.csv").write_text("a,y\n1,0\n")
        sources.csv(str(tmp_path / "my.csv"), "Y")
    for path in (None, "???", ""):
        with pytest.raises(DataError, match=r"data\.path is missing: give a file"):
            sources.csv(path, "y")  # type: ignore[arg-type]


# leaks: columns that say the answer, or only which row it is


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (range(40), "only numbers the rows, and would teach their order"),
        ([*range(20), *range(20)], "only numbers the rows"),  # two tables, one below the other
        (np.random.default_rng(0).permutation(40) + 7, "numbers the rows in another order"),
        (np.arange(40) ** 2, "grows or falls from row to row"),
        ([f"{n}.0" for n in range(40, 0, -1)], "numbers the rows in another order"),
        ([("good", "bad")[n % 2] for n in range(40)], "says the label in other words"),
        ([n % 2 * 7 + 1 for n in range(40)], "says the label in other words"),
        (
            [("x", "y", "z", "y")[n % 4] for n in range(40)],
            "decides the label: each of its 3 values goes with one class",
        ),
    ],
)
def test_leaks_are_warned_of_by_name(tmp_path: Path, values: object, told: str) -> None:
    draw = np.random.default_rng(1).normal(size=40)
    cells = zip(list(values), draw, strict=True)  # type: ignore[call-overload]
    lines = [f"{value},{x:.3f},{n % 2}" for n, (value, x) in enumerate(cells)]
    found = written(tmp_path / "my.csv", "\n".join(["leak,x,y", *lines]) + "\n")
    assert found.notes[0].startswith(f"my.csv: column 'leak' {told}")
    assert found.notes[1:] == ("leave such columns out with data.drop='[leak]'",)


def test_what_is_no_leak_is_not_warned_of(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    sizes, colors = draw.integers(0, 1000, 200), draw.choice(["red", "green", "blue"], 200)
    lines = [f"{size},{color},{n % 2}" for n, (size, color) in enumerate(zip(sizes, colors, strict=True))]
    assert written(tmp_path / "my.csv", "\n".join(["size,color,y", *lines]) + "\n").notes == ()


# at prediction: what training would have refused


def test_a_missing_cell_is_refused_as_training_knew_it(fit: Fit, tmp_path: Path) -> None:
    model = fit(CASES / "03-served-missing/clinic.csv", "state")
    with pytest.raises(UserError, match=r"column 'bmi' is empty in row 1: give what the network was trained on$"):
        predict.read_inputs(CASES / "03-served-missing/missing.csv", model)
    new = tmp_path / "new.csv"
    for cell, told in (("NaN", "is empty in row 2"), ("inf", "holds inf in row 2"), ("1e39", "holds 1e39 in row 2"),
                       ("fat", "holds 'fat' in row 2"), ("2.5,5", "holds '2.5,5' in row 2")):  # fmt: skip
        new.write_text(f"bmi;age\n21;50\n{cell};50\n")
        with pytest.raises(UserError, match=f"column 'bmi' {told}"):
            predict.read_inputs(new, model)
    new.write_text("age,weight\n50,80\n")
    with pytest.raises(UserError, match="has no column 'bmi': its columns are age, weight"):
        predict.read_inputs(new, model)
    new.write_text("bmi,age\n21,50\n\n22,51\n")
    with pytest.raises(UserError, match="row 2 is a blank line"):
        predict.read_inputs(new, model)


def test_another_unit_is_warned_of(fit: Fit, tmp_path: Path) -> None:
    model = fit(CASES / "03-served-missing/clinic.csv", "state")
    new = tmp_path / "new.csv"
    new.write_text("bmi,age\n21,50\n2100,50\n")
    told = answers(model, new)[1]
    assert len(told) == 1
    assert told[0].startswith("column 'bmi' holds 2100 in row 2, where training had ")
    new.write_text("bmi,age\n" + "0.1,0.2\n" * 12)
    assert len(answers(model, new)[1]) == 2
    assert answers(model, CASES / "03-served-missing/clinic.csv")[1] == []


def test_a_word_that_training_never_saw_is_warned_of(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(rows("color,x,y", "red,1,p", "blue,2,q", ",3,p", "red,2,q", "blue,1,p"))
    model = fit(path, "y")
    new = tmp_path / "new.csv"
    new.write_text("x,color\n1,green\n2,\n1,red\n")
    assert answers(model, new)[1] == [
        f"{new}: column 'color' holds 'green' in row 1, which training never saw: it counts as no word at all"
    ]
