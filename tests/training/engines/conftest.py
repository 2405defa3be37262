"""What the tests of all engines share."""

import pytest

from regimens.training.engines import inplace


@pytest.fixture(autouse=True)
def no_matrix_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inplace, "LARGE", 1)
