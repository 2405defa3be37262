"""What values mean: files that people reported elsewhere, small, one kind of trouble each, and further ones.

`cases/` holds the files; sources of the reports are named where a test is. What is right: it trains as the field
expects, or one line names the column, the row and a way out before anything is trained.
"""

from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data import sources
from tests.data.handed import CASES, Fit, answers, read, refusal, rows, written

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
