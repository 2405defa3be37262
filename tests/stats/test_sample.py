"""Means and what they scatter by, against the textbook's two-way analysis of variance and scipy."""

import numpy as np
import pytest

from regimens.stats.sample import Sample, means, satterthwaite
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
