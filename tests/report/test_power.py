"""What so few seeds could have shown."""

import numpy as np
import pytest

from regimens.report.power import detectable


@pytest.mark.parametrize(("n", "comparisons"), [(5, 1), (10, 1), (5, 8), (20, 8)])
def test_the_power_is_that_of_statsmodels(n: int, comparisons: int) -> None:
    from statsmodels.stats.power import TTestPower

    found = detectable(1.0, n, comparisons)
    assert found is not None
    assert TTestPower().power(found, n, 0.05 / comparisons) == pytest.approx(0.8, abs=0.005)


def test_such_a_difference_is_found_in_four_of_five_simulated_studies() -> None:
    from scipy.stats import ttest_1samp

    found = detectable(0.01, 3)
    draws = np.random.default_rng(1).normal(found, 0.01, (20_000, 3))
    assert (ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.015)


def test_one_seed_or_no_spread_tells_nothing() -> None:
    assert detectable(0.01, 1) is None
    assert detectable(0.0, 5) is None
