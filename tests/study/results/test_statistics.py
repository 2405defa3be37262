import numpy as np
import pytest
from scipy import stats

from regimens.study.results import statistics


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


OURS, THEIRS = [0.81, 0.83, 0.80, 0.86, 0.82], [0.80, 0.80, 0.79, 0.82, 0.82]


def test_p_and_effect_size_are_those_of_the_paired_t_test():
    comparison = compared(OURS, THEIRS)
    differences = np.subtract(OURS, THEIRS)
    t = differences.mean() / (differences.std(ddof=1) / np.sqrt(5))
    assert comparison["p"] == pytest.approx(stats.ttest_rel(OURS, THEIRS).pvalue)
    assert comparison["p"] == pytest.approx(2 * stats.t.sf(abs(t), df=4))
    assert comparison["effect_size"] == pytest.approx(t / np.sqrt(5))
    assert comparison["diff"] == pytest.approx(differences.mean())


def test_the_interval_is_that_of_resampled_means():
    random = np.random.default_rng(0)
    means = random.choice(OURS, (20_000, 5)).mean(axis=1)
    low, high = statistics.interval(OURS, seed=7)
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.002)


def test_holm_steps_down_and_never_turns_back():
    ps = [0.01, 0.04, 0.03, 0.005]
    family = [{"p": p, "p_holm": None, "n": 5, "diff": 1.0} for p in ps]
    statistics.correct(family, maximize=True)
    by_hand, reached = {}, 0.0
    for rank, p in enumerate(sorted(ps)):
        reached = max(reached, min(1.0, (len(ps) - rank) * p))
        by_hand[p] = reached
    assert [one["p_holm"] for one in family] == pytest.approx([by_hand[p] for p in ps])
    assert [one["verdict"] for one in family] == ["better", *["no detectable difference"] * 2, "better"]


def test_expected_best_is_the_mean_best_of_random_draws():
    values = [0.2, 0.5, 0.7, 0.9]
    draws = np.random.default_rng(0).choice(values, (50_000, 3)).max(axis=1)
    assert statistics.expected_best(values, maximize=True)[2] == pytest.approx(draws.mean(), abs=0.005)


def test_a_diverged_seed_leaves_the_others_paired():
    comparison = statistics.compare({1: 0.8, 3: 0.9}, {1: 0.7, 2: 0.1, 3: 0.7}, seed=0)
    assert (comparison["n"], comparison["diff"]) == (2, pytest.approx(0.15))


def test_two_seeds_are_tested():
    assert compared([0.9, 0.8], [0.7, 0.5])["p"] == pytest.approx(stats.ttest_rel([0.9, 0.8], [0.7, 0.5]).pvalue)


@pytest.mark.parametrize("count", [2, 5])
def test_equal_differences_are_held_to_the_sign_test_and_not_to_their_rounding(count):
    theirs = [0.70 + 0.01 * seed for seed in range(count)]
    equal = compared([value + 0.01 for value in theirs], theirs)
    assert (equal["p"], equal["effect_size"]) == (pytest.approx(2 * 0.5**count), None)
    assert equal["verdict"] == "no detectable difference"
