import pytest

from regimens.study import statistics


def compared(ours, theirs):
    comparison = statistics.compare(dict(enumerate(ours)), dict(enumerate(theirs)), seed=0)
    statistics.correct([comparison], maximize=True)
    return comparison


def test_the_interval_holds_the_mean_and_repeats():
    values = [0.81, 0.83, 0.80, 0.84, 0.82]
    low, high = statistics.interval(values, seed=3)
    assert 0.80 < low < 0.82 < high < 0.84
    assert statistics.interval(values, seed=3) == (low, high)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_too_few_values_have_no_interval(values):
    assert statistics.interval(values, seed=0) == (None, None)


def test_paired_differences_are_found_where_unpaired_ones_drown():
    ours, theirs = [0.70, 0.80, 0.90, 0.60], [0.68, 0.79, 0.88, 0.59]
    assert compared(ours, theirs)["verdict"] == "better"
    assert compared(theirs, ours)["verdict"] == "worse"


def test_no_difference_is_said_in_words():
    assert compared([0.7, 0.8, 0.9], [0.8, 0.7, 0.91])["verdict"] == "no detectable difference"


def test_one_seed_tests_nothing():
    assert compared([0.9], [0.1])["verdict"] == "not tested (n = 1)"


def test_identical_results_are_no_difference():
    assert compared([0.5, 0.5], [0.5, 0.5])["p"] == 1.0


def test_only_common_seeds_are_compared():
    assert statistics.compare({1: 0.5, 2: 0.6, 3: 0.7}, {2: 0.5, 3: 0.6, 4: 0.9}, seed=0)["n"] == 2


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests():
    family = [{"p": p, "p_holm": None, "n": 5, "diff": 1.0} for p in (0.01, 0.04, None)]
    statistics.correct(family, maximize=True)
    assert [one["p_holm"] for one in family] == [pytest.approx(0.02), pytest.approx(0.04), None]


def test_expected_best_of_n_grows_from_the_mean_towards_the_maximum():
    curve = statistics.expected_best([0.1, 0.2, 0.6], maximize=True)
    assert curve[0] == pytest.approx(0.3)
    assert curve == sorted(curve) and curve[-1] < 0.6
    assert statistics.expected_best([0.1, 0.2, 0.6], maximize=False)[0] == pytest.approx(0.3)


def test_pareto_front():
    points = [(0.9, 10), (0.8, 5), (0.7, 7), (0.9, 12)]
    assert statistics.pareto(points, ["maximize", "minimize"]) == [0, 1]
