"""The best of many is quoted on what did not pick it."""

import numpy as np
import pytest

from regimens.stats.winner import quoted


def test_each_seed_is_quoted_from_the_cell_that_the_others_pick() -> None:
    picking = {"a": {1: 0.9, 2: 0.1, 3: 0.9}, "b": {1: 0.45, 2: 0.45, 3: 0.45}}
    quoting = {"a": {1: 1.0, 2: 2.0, 3: 3.0}, "b": {1: 10.0, 2: 20.0, 3: 30.0}}
    # Without seed 1 a has 0.5 to pick by, without seed 2 it has 0.9, and without seed 3 0.5: always more than b.
    found = quoted(picking, quoting, maximize=True)
    assert found is not None
    assert (found.mean, found.n) == (2.0, 3)
    smallest = quoted(picking, quoting, maximize=False)
    assert smallest is not None
    assert smallest.mean == pytest.approx(20.0)


def test_one_seed_leaves_nothing_to_pick_by() -> None:
    assert quoted({"a": {1: 0.5}, "b": {1: 0.6}}, {"a": {1: 0.5}, "b": {1: 0.6}}, maximize=True) is None


def test_only_seeds_that_all_cells_have_pick() -> None:
    values = {"a": {1: 0.5, 2: 0.6, 3: 0.7}, "b": {1: 0.1, 2: 0.2}}
    found = quoted(values, values, maximize=True)
    assert found is not None
    assert found.n == 2


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_luck_of_the_best_of_nine_is_gone(n: int) -> None:
    rng, repeats = np.random.default_rng(0), 2000
    naive, honest = [], []
    for _ in range(repeats):
        quality = rng.standard_normal((9, n))  # validation and test accuracy of a network go together
        val, test = (quality + 0.5 * rng.standard_normal((9, 1)) for _ in range(2))
        by_seed = [{str(i): dict(enumerate(row)) for i, row in enumerate(one)} for one in (val, test)]
        found = quoted(*by_seed, maximize=True)
        assert found is not None
        naive.append(test.mean(axis=1).max())
        honest.append(found.mean)
    assert np.mean(naive) > 0.6
    assert abs(np.mean(honest)) < 4 * np.std(honest) / repeats**0.5
