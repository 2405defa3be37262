"""Whether what one axis does depends on the other."""

import numpy as np
import pytest

from regimens.stats.interaction import interaction
from regimens.stats.sample import Sample
from tests.stats.simulated import at_most

Grid = dict[tuple[str, str], Sample]


def grid(rng: np.random.Generator, effects: np.ndarray, sds: np.ndarray, n: int) -> Grid:
    rows, columns = effects.shape
    return {
        (f"r{i}", f"c{j}"): Sample.of(effects[i, j] + sds[i, j] * rng.standard_normal(n))
        for i in range(rows)
        for j in range(columns)
    }


ADDED = np.add.outer([0.0, 1.0, 2.0], [0.0, 3.0, 5.0, 7.0])


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("sds", [np.ones((3, 4)), np.geomspace(0.1, 10, 12).reshape(3, 4)], ids=["equal", "unequal"])
def test_effects_that_only_add_up_interact_once_in_twenty(sds: np.ndarray, n: int) -> None:
    rng, repeats = np.random.default_rng(0), 300
    found = [interaction(grid(rng, ADDED, sds, n), draws=99) for _ in range(repeats)]
    assert np.mean([one.p <= 0.05 for one in found if one]) <= at_most(0.05, repeats)


def test_an_interaction_is_found_and_measured() -> None:
    effects = ADDED + 3.0 * np.outer([1, -1, 0], [1, -1, 0, 0])
    found = interaction(grid(np.random.default_rng(1), effects, np.full((3, 4), 0.2), 5))
    assert found is not None
    assert found.p < 0.01
    assert found.size == pytest.approx(3.0 * 2 / 12**0.5, rel=0.1)
    assert found.df == 6


def test_what_is_no_grid_has_no_interaction() -> None:
    whole = grid(np.random.default_rng(2), ADDED, np.ones((3, 4)), 3)
    del whole["r0", "c0"]
    assert interaction(whole) is None
    assert interaction({("a", "b"): Sample.of([1.0, 2.0]), ("a", "c"): Sample.of([1.0, 2.0])}) is None
    assert interaction(grid(np.random.default_rng(3), ADDED, np.ones((3, 4)), 1)) is None


def test_a_cell_that_never_varies_breaks_nothing() -> None:
    sds = np.ones((3, 4))
    sds[0, 0] = 0.0
    found = interaction(grid(np.random.default_rng(4), ADDED, sds, 5))
    assert found is not None
    assert 0 < found.p <= 1
