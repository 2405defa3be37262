"""A response curve through what was tried (its use in a search: tests/study/queue/test_rounds.py)."""

import pytest

from regimens.stats.response_curve import fit


def test_a_value_tried_several_times_counts_once_with_its_mean() -> None:
    once = fit([-3.0, -2.0, -1.0], [0.70, 0.80, 0.72])
    twice = fit([-3.0, -2.0, -2.0, -1.0], [0.70, 0.79, 0.81, 0.72])
    assert once is not None and twice is not None
    assert twice.summit == pytest.approx(once.summit)
    failed = fit([-3.0, -2.0, -2.0, -1.0], [0.70, 0.99, None, 0.72])
    assert failed is not None and failed.best == -1.0
