"""The middle of what is as good as the best (its use in a search: tests/study/queue/test_rounds.py)."""

import pytest

from regimens.stats.response_curve import Curve, fit

MARGIN = 0.005  # so that 0.01 below the best is as good


def curve(xs: list[float], ys: list[float | None], margin: float | None = MARGIN) -> Curve:
    found = fit(xs, ys, margin)
    assert found is not None
    return found


def test_the_line_ends_where_it_is_two_margins_below_the_best() -> None:
    told = curve([0, 1, 2, 3], [0.80, 0.85, 0.848, 0.798])
    assert (told.low, told.high) == pytest.approx((0.8, 2.16))
    assert told(told.low) == told(told.high) == pytest.approx(0.84)
    assert (told.best, told.end) == (1, 0)


def test_the_summit_is_the_centre_of_mass_of_what_lies_above() -> None:
    # A triangle with corners at 0.8, 1 and 1.1 has its centre at their mean.
    assert curve([0, 1, 2], [0.80, 0.85, 0.75]).summit == pytest.approx((0.8 + 1 + 1.1) / 3)
    # A trapezium that is the same from both sides.
    assert curve([0, 1, 2, 3], [0.5, 0.85, 0.85, 0.5]).summit == pytest.approx(1.5)


def test_a_cliff_is_kept_away_from_and_does_not_push_far() -> None:
    cliff = curve([0, 1, 2], [0.80, 0.85, 0.10])
    assert 0.9 < cliff.summit < 1  # a parabola's summit lies at 0.56, where the response is 0.83
    failed = curve([0, 1, 2], [0.845, 0.85, None])
    assert failed.high == 1 and 0 < failed.summit < 1


def test_what_is_alike_is_taken_in_its_middle_wherever_its_best_point_happens_to_lie() -> None:
    ys = [0.80, 0.850, 0.849, 0.851, 0.80]
    assert [curve([0, 1, 2, 3, 4], found).summit for found in (ys, ys[::-1])] == pytest.approx([2, 2], abs=0.1)


def test_without_a_margin_at_an_end_and_of_few_points_the_best_one_is_the_summit() -> None:
    assert curve([0, 1, 2], [0.849, 0.85, 0.7], None).summit == 1
    assert (curve([0, 1, 2], [0.80, 0.849, 0.85]).summit, curve([0, 1, 2], [0.80, 0.849, 0.85]).end) == (2, 1)
    assert (curve([0, 1], [0.85, 0.849]).summit, curve([0, 1], [0.85, 0.849]).end) == (0, -1)
    assert (curve([3], [0.5]).summit, curve([3], [0.5]).end) == (3, 0)
    assert fit([0, 1], [None, None], MARGIN) is None


def test_a_value_tried_several_times_counts_once_with_its_mean() -> None:
    once, twice = curve([-3, -2, -1], [0.70, 0.80, 0.72]), curve([-3, -2, -2, -1], [0.70, 0.79, 0.81, 0.72])
    assert twice.summit == pytest.approx(once.summit)
    assert curve([-3, -2, -2, -1], [0.70, 0.99, None, 0.72]).best == -1
