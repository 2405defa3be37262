"""Any file at all is read, or refused in one line: generated tables, damaged ones, and bytes that are none."""

import gzip
import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regimens.core.errors import DataError
from regimens.data import cells, encoding, kinds, npz, sources, table
from regimens.data.arrays import Arrays
from regimens.data.columns import NUMBER, Column

CELLS = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(
        [
            *(
                "",
                " ",
                "NA",
                "None",
                "nan",
                "true",
                "False",
                "inf",
                "-Infinity",
                "1e39",
                "1_000",
                "01",
                "1,5",
                "1.234,5",
            ),
            *(
                "2024-02-30",
                "2024-01-02",
                "03/04/2024",
                "31.12.1999 23:59",
                "2024-01-02T03:04:05Z",
                "½",
                "٣",
                "1e5",
                "−4",
            ),
            *(
                '"',
                '""',
                "'",
                "a\nb",
                "\x00",
                "\ufeff",
                "x" * 200,
                "a,b;c\td|e",
                "1e999999",
                "0x10",
                "9" * 400,
                "--",
                "\\",
            ),
            *("2024-01-01 25:00", "9999-12-31", "0000-00-00", "1e-400", "+", ".", "5.", ".5", "${x}", "=1+1", "'\""),
        ]
    ),
    st.text(max_size=6),
)
NAMES = st.one_of(st.sampled_from(["y", "a", "b", " a", "", "y.1", "1", "Unnamed: 0"]), st.text(max_size=4))
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A file that was meant to be a table: columns of one kind or mixed, written and damaged in one way or another."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(0, 12))
    columns = []
    for _ in range(width):
        few = draw(st.lists(CELLS, min_size=1, max_size=3))
        columns.append([draw(st.sampled_from(few)) for _ in range(height)])
    header = [draw(NAMES) for _ in range(width - 1)] + ["y"]
    rows = [list(row) for row in zip(*columns, strict=True)]
    if rows and draw(st.integers(0, 9)) == 0:
        row = draw(st.sampled_from(rows))
        row.append("more") if draw(st.booleans()) else row.pop()
    cut, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quote = draw(st.sampled_from(["", '"']))
    text = end.join(cut.join(f"{quote}{cell}{quote}" for cell in row) for row in [header, *rows]) + draw(
        st.sampled_from(["", end, end * 2, "\x1a"])
    )
    content = text.encode(
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32"])), "replace"
    )
    if draw(st.integers(0, 9)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return gzip.compress(content) if draw(st.integers(0, 9)) == 0 else content


def check_table(content: bytes, suffix: str) -> None:
    """A line, or a table whose features are finite, and which predicts what it trains."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / f"my{suffix}"
        path.write_bytes(content)
        try:
            found = sources.csv(str(path), "y")
        except DataError as error:
            assert "\n" not in str(error), str(error)
            assert "my" in str(error)
            return
        check_found(found)
        columns = found.columns or tuple(Column(name, NUMBER) for name in found.feature_names)
        features = encoding.fit(columns, found.x_train)(found.x_train)
        assert np.isfinite(features).all()
        again, notes = table.select(cells.read(path).table, columns, "again")
        np.testing.assert_array_equal(again.astype(found.x_train.dtype), found.x_train)
        assert notes == []
        frame = kinds.blanked(cells.read(path).table, [])
        assert [str(name) for name in frame.columns if name != "y"] == list(found.feature_names)


def check_found(found: Arrays) -> None:
    assert len(found.x_train) == len(found.y_train)
    assert len(set(found.class_names)) == found.n_classes == len(np.unique(found.y_train))
    assert not np.isinf(found.x_train).any()


def check_npz(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / f"my{suffix}"
        path.write_bytes(content)
        try:
            npz.load(path, {}, None)
        except DataError as error:
            assert "\n" not in str(error), str(error)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """An .npz of arrays of odd types and shapes, some of its bytes changed."""
    types = st.sampled_from(["u1", "i8", "u8", "f4", "f8", "f2", "c8", "U3", "S2", "M8[D]", "?", "m8[s]"])
    shapes = st.sampled_from([(), (0,), (6,), (6, 1), (6, 2), (6, 2, 2), (5, 2), (6, 0), (1, 6)])
    arrays = {}
    for name in draw(
        st.lists(st.sampled_from(["X_train", "y_train", "X_test", "y_test", "class_names", "x"]), max_size=5)
    ):
        kind, shape = draw(types), draw(shapes)
        values = np.arange(int(np.prod(shape))).reshape(shape) % draw(st.integers(1, 4))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arrays[name] = values.astype(kind) if kind[0] not in "Mm" else values.astype("i8").astype(kind)
        if arrays[name].size and arrays[name].dtype.kind == "f" and draw(st.booleans()):
            arrays[name].flat[0] = draw(st.sampled_from([np.nan, np.inf, 6e4, 0.5]))
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    content = bytearray(file.getvalue())
    for _ in range(draw(st.integers(0, 2))):
        content[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content)


SUFFIXES = st.sampled_from([".csv", ".tsv", ".CSV", ".csv.gz", ".parquet", ""])


@settings(QUIET, max_examples=120)
@given(tables(), SUFFIXES)
@pytest.mark.thorough
def test_any_table_is_read_or_refused_in_a_line(content: bytes, suffix: str) -> None:
    check_table(content, suffix)


@settings(QUIET, max_examples=60)
@given(archives(), st.sampled_from([".npz", ".npy"]))
def test_any_archive_is_read_or_refused_in_a_line(content: bytes, suffix: str) -> None:
    check_npz(content, suffix)


@settings(QUIET, max_examples=60)
@given(st.binary(max_size=200), SUFFIXES)
def test_any_bytes_are_read_or_refused_in_a_line(content: bytes, suffix: str) -> None:
    check_table(content, suffix)
    check_npz(content, ".npz")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(QUIET, max_examples=2000)
@given(tables(), archives(), SUFFIXES)
def test_two_thousand_files_of_each_kind(content: bytes, archive: bytes, suffix: str) -> None:
    check_table(content, suffix)
    check_npz(archive, ".npz")
