import numpy as np
import pytest

from regimens.study.results import statistics


def test_expected_best_of_n_grows_from_the_mean_towards_the_maximum():
    curve = statistics.expected_best([0.1, 0.2, 0.6], maximize=True)
    assert curve[0] == pytest.approx(0.3)
    assert curve == sorted(curve) and curve[-1] < 0.6
    assert statistics.expected_best([0.1, 0.2, 0.6], maximize=False)[0] == pytest.approx(0.3)


def test_pareto_front():
    points = [(0.9, 10), (0.8, 5), (0.7, 7), (0.9, 12)]
    assert statistics.pareto(points, ["maximize", "minimize"]) == [0, 1]


def test_expected_best_is_the_mean_best_of_random_draws():
    values = [0.2, 0.5, 0.7, 0.9]
    draws = np.random.default_rng(0).choice(values, (50_000, 3)).max(axis=1)
    assert statistics.expected_best(values, maximize=True)[2] == pytest.approx(draws.mean(), abs=0.005)
