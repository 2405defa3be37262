"""Splits: each class's share everywhere, groups in one piece, time in its order."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regimens.core.errors import DataError
from regimens.data import carve, encoding, sources, splitting
from regimens.data.arrays import Arrays


def whole(y: list[int] | np.ndarray, **fields: np.ndarray) -> Arrays:
    y = np.asarray(y)
    names = tuple(str(number) for number in range(int(y.max()) + 1))
    x = np.arange(len(y), dtype=np.float32)[:, None]
    return Arrays(x, y, None, None, None, None, len(names), names, "test", **fields)  # type: ignore[arg-type]


def rows_of(parts: Arrays) -> list[list[int]]:
    return [x[:, 0].astype(int).tolist() for x, _ in parts.parts().values()]


@example([3, 3, 3, 7], 4, 7, 0)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(1, 40), st.integers(1, 40), st.integers(0, 3))
def test_every_class_has_its_share(counts: list[int], valid: int, test: int, seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    if valid + test >= len(y) - len(counts):
        return
    parts = splitting.stratified(np.random.RandomState(seed).permutation(len(y)), y, valid, test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(y)))
    found = np.array([np.bincount(y[part], minlength=len(counts)) for part in parts])
    assert (found[0] >= 1).all()
    assert (len(parts[1]), len(parts[2])) == (valid, test)
    shares = np.array([len(y) - valid - test, valid, test])[:, None] * np.array(counts) / len(y)
    assert (np.abs(found - shares) < 2 + len(counts)).all()
    if min(counts) >= 3 and min(valid, test) >= len(counts):
        assert (found >= 1).all()


def test_a_stratified_split_is_about_scikit_learns() -> None:
    from sklearn.model_selection import train_test_split

    y = np.repeat([0, 1, 2], [100, 60, 40])
    _, test = train_test_split(y, test_size=50, stratify=y, random_state=0)
    parts = splitting.stratified(np.random.RandomState(0).permutation(200), y, 50, 50)
    assert np.bincount(y[parts[2]]).tolist() == np.bincount(test).tolist()


def test_what_is_not_stratified_is_split_as_before() -> None:
    y = np.arange(50) % 5
    plain = carve.carve(whole(y), 10, 5, 3)
    order = np.random.RandomState(3).permutation(50).tolist()
    assert rows_of(plain) == [order[10:45], order[:10], order[45:]]
    assert rows_of(carve.carve(whole(y), 10, 5, None, stratify=True)) == [
        [*range(10, 45)],
        [*range(10)],
        [*range(45, 50)],
    ]


def test_groups_stay_in_one_piece() -> None:
    draw = np.random.default_rng(0)
    groups, y = np.repeat(np.arange(30), 5), draw.integers(0, 2, 150)
    parts = carve.carve(whole(y, groups=groups), 0.2, 0.2, 0)
    members = [set(groups[rows]) for rows in rows_of(parts)]
    assert sum(map(len, members)) == 30
    assert [len(rows) for rows in rows_of(parts)] == pytest.approx([90, 30, 30], abs=8)
    assert all(0.3 < part[1].mean() < 0.7 for part in parts.parts().values())
    with pytest.raises(DataError, match=r"data\.group: 1 group is left to divide"):
        carve.carve(whole(y, groups=np.zeros(150, int)), 0.2, 0.2, 0)
    with pytest.raises(DataError, match="no training example is left of class 1"):
        carve.carve(whole(np.repeat([0, 1], [140, 10]), groups=np.repeat([0, 1, 2, 3], [50, 50, 40, 10])), 10, 10, 0)


def test_the_latest_test_and_the_earliest_train() -> None:
    times = np.random.default_rng(0).permutation(100)
    train, valid, test = rows_of(carve.carve(whole(np.arange(100) % 2, times=times), 0.2, 0.1, 0))
    assert max(times[train]) < min(times[valid]) <= max(times[valid]) < min(times[test])
    assert (len(valid), len(test)) == (20, 10)
    days = np.arange(100) // 15  # what happened on one day is not divided
    train, valid, test = rows_of(carve.carve(whole(np.arange(100) % 2, times=days), 0.2, 0.1, 0))
    assert max(days[train]) < min(days[valid]) <= max(days[valid]) < min(days[test])
    with pytest.raises(DataError, match="too many rows share one time"):
        carve.carve(whole(np.arange(100) % 2, times=np.zeros(100)), 0.2, 0.1, 0)


def test_a_table_is_split_by_its_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    lines = [f"p{n % 12},{1 + n % 28:02}.{1 + n // 28:02}.2024,{n * 7 % 11},{n % 2}" for n in range(120)]
    path.write_text("\n".join(["patient,day,x,y", *lines]) + "\n")
    found = sources.csv(str(path), "y", drop=["day"], group="patient")
    assert found.feature_names == ("x",)
    assert found.groups is not None
    assert len(set(found.groups)) == 12
    found = sources.csv(str(path), "y", drop=["patient"], time="day")
    assert (found.feature_names, found.times is not None) == (("x",), True)
    with pytest.raises(DataError, match=r"data\.time: column 'patient' holds words, such as 'p0': give dates"):
        sources.csv(str(path), "y", time="patient")
    with pytest.raises(DataError, match="has no column 'person'"):
        sources.csv(str(path), "y", group="person")
    with pytest.raises(DataError, match=r"data\.group and data\.time: give one of them"):
        carve.carve(sources.csv(str(path), "y", group="patient", time="day"), 0.2, 0.2, 0)


def test_what_is_fitted_knows_training_rows_alone(tmp_path: Path) -> None:
    """Words and numbers that only other rows have, far away, change nothing of what was learnt."""
    from regimens import data

    path = tmp_path / "my.csv"
    kept = [f"{n % 5},{'red' if n % 3 else ''},{n % 2},{n}" for n in range(80)]

    def learnt(*late: str) -> tuple[dict[str, np.ndarray], list[str]]:
        path.write_text("\n".join(["x,color,y,t", *kept, *late]) + "\n")
        source = partial(sources.csv, str(path), "y", time="t")
        split = data.load(
            source, dataset="csv", directory=tmp_path / "data", scale="standardize", n_valid=10, n_test=10, shuffle=0
        )
        assert split.inputs is not None
        assert isinstance(split.inputs.encoder, encoding.Encoder)
        arrays = split.inputs.arrays()
        return {name: values for name, values in arrays.items() if "categories" not in name}, split.inputs.encoder.names

    one, names = learnt(*(f"1,red,{n % 2},{100 + n}" for n in range(20)))
    two, others = learnt(*(f"1000000,blue,{n % 2},{100 + n}" for n in range(20)))
    assert names == others == ["x", "color=red", "color="]
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


@pytest.mark.parametrize(("shuffle", "stratify"), [(None, True), (0, True), (3, True), (0, False)])
def test_folds_take_turns_at_being_the_test_set(shuffle: int | None, stratify: bool) -> None:
    y = np.repeat([0, 1, 2], [40, 20, 15])
    folds = [rows_of(carve.carve(whole(y), 0.2, 0.2, shuffle, stratify, 5, fold)) for fold in range(5)]
    assert sorted(row for _, _, test in folds for row in test) == list(range(75))
    for train, valid, test in folds:
        assert sorted([*train, *valid, *test]) == list(range(75))
        assert (len(valid), len(test)) == (12, 15)
        assert not stratify or np.bincount(y[test]).tolist() == [8, 4, 3]


def test_no_group_is_in_a_fold_and_outside_it() -> None:
    groups = np.repeat(np.arange(20), 4)
    y = np.tile([0, 1], 40)
    for fold in range(4):
        train, valid, test = rows_of(carve.carve(whole(y, groups=groups), 0.2, 0.2, 0, True, 4, fold))
        assert not {*groups[train]} & {*groups[test]} and not {*groups[train]} & {*groups[valid]} and test


def test_what_folds_cannot_be_made_of_is_refused_in_a_line() -> None:
    y = np.tile([0, 1], 20)
    tested = whole(y)
    tested = replace(tested, x_test=tested.x_train, y_test=tested.y_train)
    for arrays, folds, fold, said in (
        (tested, 5, 0, "brings a test set of its own"),
        (whole(y, times=np.arange(40)), 5, 0, "give one of them"),
        (whole(y, groups=np.repeat([0, 1], 20)), 3, 0, "there are 2 groups"),
        (whole(y), 1, 0, "give 2 to 40 folds"),
        (whole(y), 5, 5, "of which the first is 0"),
        (whole(y), 30, 0, "no class has so many examples"),
    ):
        with pytest.raises(DataError, match=said):
            carve.carve(arrays, 0.2, 0.2, 0, True, folds, fold)
