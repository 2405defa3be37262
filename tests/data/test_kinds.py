"""Kinds of columns: found or declared, and the numbers that each becomes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimens.core.errors import DataError
from regimens.data import columns, dates, encoding, kinds
from regimens.data.columns import Column
from regimens.data.kinds import Reading


def found(*cells: object, **reading: object) -> Column | str:
    """The kind of one column `a` with these cells, each ten times, or what is wrong with it."""
    table = pd.DataFrame({"a": pd.Series([*cells] * 10, dtype=object)})
    known, problems = kinds.find(table, Reading(**reading))  # type: ignore[arg-type]
    return problems.get("a") or known[0]


@pytest.mark.parametrize(
    ("cells", "form", "days"),
    [
        (["1970-01-02", "1971-01-01"], "ISO8601", [1, 365]),
        (["1970-01-02T12:00:00Z", "1970-01-02 01:00:00+01:00"], "ISO8601", [1.5, 1]),
        (["9999-12-31", "0001-01-01"], "ISO8601", [2932896, -719162]),
        (["1970/01/02", "1970/02/01"], "%Y/%m/%d", [1, 31]),
        (["02.01.1970", "01.02.1970"], "%d.%m.%Y", [1, 31]),
        (["13/01/1970", "02/01/1970"], "%d/%m/%Y", [12, 1]),
        (["01/13/1970 06:00", "01/02/1970 12:00"], "%m/%d/%Y %H:%M", [12.25, 1.5]),
        (["02-Jan-1970", "01-Feb-1970"], "%d-%b-%Y", [1, 31]),
        (["13/01/70", "14/01/70"], "%d/%m/%y", [12, 13]),
    ],
)
def test_dates_are_found(cells: list[str], form: str, days: list[float]) -> None:
    column = found(*cells)
    assert isinstance(column, Column)
    assert (column.kind, column.form) == ("date", form)
    assert columns.code(column, pd.Series(cells)).values.tolist() == days
    stamps = pd.Series(pd.to_datetime(["1970-01-02", None]))
    assert columns.code(Column("a", "date", form=form, gaps=True), stamps).values.tolist() == pytest.approx(
        [1, np.nan], nan_ok=True
    )


def test_a_day_that_may_be_a_month_is_asked_for() -> None:
    problem = found("02/01/1970", "03/04/1970")
    assert isinstance(problem, str)
    assert problem.startswith(
        "holds '02/01/1970', a date of the format %d/%m/%Y or %m/%d/%Y: say which with data.types="
    )
    column = found("02/01/1970", "03/04/1970", types={"a": "%m/%d/%Y"})
    assert isinstance(column, Column)
    assert columns.code(column, pd.Series(["02/01/1970"])).values.tolist() == [31]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["1", "2", "x"], r"holds 'x' in row 3 and 9 more among numbers \(data\.missing='\[x\]' counts it as empty\)"),
        (["2024-01-01", "2024-01-02", "soon"], "holds 'soon' in row 3 and 9 more among dates"),
        (["", " ", ""], "is empty"),
        (["NA", "", "NA"], "holds nothing but 'NA'"),
        ([1.5, [2], 3], "holds a list in row 2 and 9 more, which is neither number nor text"),
    ],
)
def test_what_is_wrong_is_told(cells: list[object], told: str) -> None:
    import re

    problem = found(*cells)
    assert isinstance(problem, str)
    assert re.match(told, problem), problem


def test_words_are_few() -> None:
    many = [f"w{n}" for n in range(50)]
    column = found(*many)
    assert isinstance(column, Column)
    table = pd.DataFrame({"a": many})
    assert kinds.find(table, Reading())[1]["a"] == "holds 50 different words in 50 cells, 'w0' in row 1"
    assert kinds.find(table, Reading(types={"a": "word"}))[0][0].words == tuple(sorted(many))


def test_what_is_declared_has_to_make_sense() -> None:
    with pytest.raises(
        DataError, match=r"data\.types: 'a' is declared 'integer': choose number, boolean, word, date, or"
    ):
        Reading(types={"a": "integer"})
    with pytest.raises(DataError, match=r"data.types: 'a' is declared '%Q'"):
        Reading(types={"a": "%Q"})
    with pytest.raises(DataError, match=r"data.decimal=;: choose auto, \. or data.decimal='\",\"'"):
        Reading(decimal=";")
    with pytest.raises(DataError, match=r"data\.types names 'b': the columns are a"):
        found("1", "2", types={"b": "word"})
    column = found("1", "2", "x", types={"a": "number"})
    assert isinstance(column, Column)
    assert columns.code(column, pd.Series(["1", "x"])).problems == [
        "holds 'x' in row 2, where there are numbers otherwise"
    ]


def test_columns_of_their_own_types_keep_them(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "n": [1, None, 3] * 5,
            "b": [True, False, True] * 5,
            "d": pd.to_datetime(["2024-01-01", "2024-01-02", None] * 5),
            "w": pd.Series(["x", "y", None] * 5, dtype="category"),
            "i": pd.Series([1, 2, None] * 5, dtype="Int64"),
        }
    )
    known, problems = kinds.find(table, Reading())
    assert problems == {}
    assert [column.kind for column in known] == ["number", "boolean", "date", "word", "number"]
    assert [column.gaps for column in known] == [True, False, True, True, True]
    assert columns.code(known[3], table["w"]).values[:3].tolist() == pytest.approx([0, 1, np.nan], nan_ok=True)


def test_encoding_is_scikit_learns(tmp_path: Path) -> None:
    """One-hot, medians and indicators as ColumnTransformer makes them; what is kept gives the same transformer."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    draw = np.random.default_rng(0)
    codes = np.column_stack(
        [draw.normal(size=50), draw.integers(0, 3, 50), draw.normal(size=50), draw.integers(0, 2, 50)]
    )
    codes[::7, 0], codes[::5, 1] = np.nan, np.nan
    kept = (
        Column("x", "number", gaps=True),
        Column("w", "word", words=("a", "b", "c"), gaps=True),
        Column("z", "number"),
        Column("v", "word", words=("p", "q")),
    )
    expected = ColumnTransformer(
        [("numbers", SimpleImputer(strategy="median", add_indicator=True), [0, 2]),
         ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1, 3])]
    ).fit(codes[:40])  # fmt: skip
    encoder = encoding.fit(kept, codes[:40])
    np.testing.assert_array_equal(encoder(codes), expected.transform(codes))
    again = encoding.restored(kept, encoder.width, encoder.arrays())
    np.testing.assert_array_equal(again(codes), encoder(codes))
    assert isinstance(again, encoding.Encoder)
    assert again.names == ["x", "z", "x is empty", "w=a", "w=b", "w=c", "w=", "v=p", "v=q"]
    codes[0, 1] = -1  # a word that training never saw
    assert again(codes)[0, 3:7].tolist() == [0, 0, 0, 0]


def test_a_date_is_its_days_and_its_places_in_year_and_week() -> None:
    monday, next_monday = dates.features(np.array([4.0, 11.0]))
    assert (monday[0], monday.shape) == (4, (5,))
    np.testing.assert_allclose(monday[3:], next_monday[3:], atol=1e-12)
    new_year, next_year = dates.features(np.array([0.0, 365.2425]))
    np.testing.assert_allclose(new_year[1:3], next_year[1:3], atol=1e-12)
