"""What so few units could have shown."""

import numpy as np
import pytest

from regimens.stats.power import detectable


@pytest.mark.parametrize(("n", "comparisons"), [(5, 1), (10, 1), (5, 8), (20, 8)])
def test_the_power_is_that_of_statsmodels(n: int, comparisons: int) -> None:
    from statsmodels.stats.power import TTestPower

    found = detectable(n**-0.5, n - 1, 0.05 / comparisons)
    assert found is not None
    assert TTestPower().power(found, n, 0.05 / comparisons) == pytest.approx(0.8, abs=0.005)


def test_such_a_difference_is_found_in_four_of_five_simulated_studies() -> None:
    from scipy.stats import ttest_ind

    found = detectable(0.01 * (2 / 3) ** 0.5, 4, 0.05)
    assert found is not None
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(found, 0.01, (20_000, 3)), rng.normal(0.0, 0.01, (20_000, 3))
    assert (ttest_ind(ours, theirs, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.015)


def test_no_spread_tells_nothing() -> None:
    assert detectable(0.0, 5, 0.05) is None
