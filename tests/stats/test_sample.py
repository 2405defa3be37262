"""Means and what they scatter by, against the textbook's two-way analysis of variance and scipy."""

import numpy as np
import pytest

from regimens.stats.comparisons import Rule, against_best
from regimens.stats.random_effects import quantile
from regimens.stats.sample import Array, Sample, means, satterthwaite
from tests.stats.simulated import on_images


def test_one_mean_without_images_is_students() -> None:
    values = [0.81, 0.83, 0.80, 0.86]
    variance, df = means([Sample.of(values)]).one(0)
    assert (variance, df) == (pytest.approx(np.var(values, ddof=1) / 4), pytest.approx(3))


def test_images_and_seeds_are_the_components_of_a_two_way_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random((6, 1)) + rng.random(50) > rng.random((6, 50))).astype(float)
    n, m = right.shape
    found = means([Sample.of(right.mean(axis=1), right)])
    by_seed, by_image = right.mean(axis=1), right.mean(axis=0)
    rest = np.sum((right - by_seed[:, None] - by_image + right.mean()) ** 2) / ((n - 1) * (m - 1))
    of_seeds, of_images = m * by_seed.var(ddof=1), n * by_image.var(ddof=1)
    assert found.images is not None
    assert found.seeds[0] + found.images[0, 0] == pytest.approx((of_seeds + of_images - rest) / (n * m))


def test_what_cells_have_in_common_on_images_leaves_their_difference() -> None:
    same, _ = on_images(np.random.default_rng(1), 2, 5, 2000, taste=0.0)
    found = means(list(same.values()))
    assert found.images is not None
    assert found.image_part(np.array([0]), np.array([1]))[0] < 0.02 * found.images[0, 0]


def test_cells_that_met_other_images_or_do_not_say_are_judged_by_seeds_alone() -> None:
    right = np.eye(3, 20)
    told, other = Sample.of(right.mean(axis=1), right, "a"), Sample.of(right.mean(axis=1), right, "b")
    assert means([told, other]).images is None
    assert means([told, Sample.of([0.5, 0.6], None, "a")]).images is None
    assert means([told, told]).images is not None


def test_satterthwaite_is_the_only_parts_own_where_others_are_zero() -> None:
    assert satterthwaite(np.array([2.0, 0.0]), np.array([4, 9])) == (2.0, 4.0)


def test_two_cells_on_the_same_folds_differ_by_what_their_pairs_say() -> None:
    table, folds = np.random.default_rng(2).normal(size=(2, 5)) + np.arange(5) * 10, tuple(range(5))
    found = means([Sample(row, folds=folds) for row in table])
    total, free = found.seeds.sum() + found.image_part(np.array([0]), np.array([1]))[0], found.df.sum()
    corrected = 1 / 5 + 1 / 4  # Nadeau & Bengio: a fifth of the examples tests, four fifths train
    assert total == pytest.approx(np.var(table[0] - table[1], ddof=1) * corrected)
    assert free == pytest.approx(4)
    alone, df = means([Sample(table[0], folds=folds)]).one(0)
    assert (alone, df) == (pytest.approx(np.var(table[0], ddof=1) * corrected), pytest.approx(4))


def neighbours(rng: np.random.Generator, folds: int, examples: int = 60) -> Array:
    """(2, folds): the accuracy of the nearest neighbour by one feature and by another, equally good one."""
    x = rng.normal(size=(examples, 2))
    y = x.sum(axis=1) + 0.7 * rng.normal(size=examples) > 0
    found = np.zeros((2, folds))
    for fold, test in enumerate(np.array_split(rng.permutation(examples), folds)):
        train = np.setdiff1d(np.arange(examples), test)
        for which in range(2):
            nearest = np.abs(x[test, which][:, None] - x[train, which]).argmin(axis=1)
            found[which, fold] = np.mean(y[train][nearest] == y[test])
    return found


def test_overlapping_training_sets_are_allowed_for() -> None:
    from scipy.stats import ttest_rel

    rng, folds = np.random.default_rng(0), tuple(range(5))
    drawn = [neighbours(rng, 5) for _ in range(300)]
    truth = float(np.mean(drawn))
    plainly = np.mean([ttest_rel(*table).pvalue < 0.05 for table in drawn])
    wrong, covered = 0, 0
    for table in drawn:
        samples = {str(i): Sample(row, folds=folds) for i, row in enumerate(table)}
        found = against_best(samples, Rule(draws=2000))
        wrong += any(one.verdict in ("better", "worse") for one in found.values())
        variance, df = means([samples["0"]]).one(0)
        covered += abs(table[0].mean() - truth) < quantile(df) * variance**0.5
    assert plainly > 0.10  # what cross-validation is known for
    assert wrong / 300 <= 0.07
    assert covered / 300 >= 0.92
