"""Shares are told by their names."""

import pytest

from regimens.core.shares import is_share


@pytest.mark.parametrize(
    ("metric", "share"),
    [("test/accuracy", True), ("val/balanced_accuracy", True), ("val/loss", False), ("rmse", False)],
)
def test_accuracies_are_shares_and_losses_are_not(metric: str, share: bool) -> None:
    assert is_share(metric) is share
