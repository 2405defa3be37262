"""Which test examples were right: packed and unpacked."""

import numpy as np
import pytest

from regimens.core.examples import pack, unpack


@pytest.mark.parametrize("count", [1, 7, 8, 360, 10_000])
def test_what_was_packed_comes_back(count: int) -> None:
    right = np.random.default_rng(count).random(count) < 0.85
    told = pack(right)
    assert np.array_equal(unpack(told), right)
    assert len(told["bits"]) <= 4 * -(-count // 24)


@pytest.mark.parametrize("told", [None, {}, {"count": 3}, "bits"])
def test_a_result_that_does_not_say_has_none(told: object) -> None:
    assert unpack(told) is None
