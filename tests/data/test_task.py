import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data import task

Y = np.array([9, 5, 0, 6, 7, 6, 4])


def test_a_is_every_other_class_renumbered_in_order() -> None:
    rows, new = task.make("a", [5, 6], 10).select(Y)
    assert rows.tolist() == [0, 2, 4, 6]
    assert new.tolist() == [7, 0, 5, 4]


def test_b_is_binary_with_the_second_class_positive() -> None:
    goal = task.make("b", [5, 6], 10)
    assert goal.binary
    assert goal.select(Y)[1].tolist() == [0, 1, 1]
    assert task.make("b", [6, 5], 10).select(Y)[1].tolist() == [1, 0, 0]
    assert goal.select(Y)[0].tolist() == [1, 3, 5]


def test_all_is_the_identity() -> None:
    rows, new = task.make("all", [5, 6], 10).select(Y)
    assert rows.tolist() == list(range(7))
    assert new.tolist() == Y.tolist()


@pytest.mark.parametrize("pair", [[5], [5, 5], [5, 10], [-1, 2], [1, 2, 3], [0.5, 2], ["a", 1]])
def test_b_classes_are_two_different_classes(pair: list[int]) -> None:
    with pytest.raises(DataError, match=r"task\.b_classes=.*: give two different classes out of 0\.\.9"):
        task.make("b", pair, 10)


def test_a_needs_classes_and_a_known_kind() -> None:
    with pytest.raises(DataError, match="needs two classes besides"):
        task.make("a", [0, 1], 3)
    with pytest.raises(DataError, match=r"task\.kind=c: choose all, a, b, regression"):
        task.make("c", [0, 1], 3)
