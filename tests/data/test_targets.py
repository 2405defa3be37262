import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from regimens.core.errors import DataError
from regimens.data import targets

Y = np.random.RandomState(0).lognormal(3, 1, (50, 2)) * [1, 1000]


def test_they_are_standardised_as_scikit_learn_does_and_given_back() -> None:
    found = targets.fit(["price", "area"], Y)
    assert found.standardised(Y) == pytest.approx(StandardScaler().fit_transform(Y), rel=1e-5, abs=1e-6)
    assert found.restored(found.standardised(Y)) == pytest.approx(Y, rel=1e-5)
    assert found.spread == pytest.approx(np.sqrt(Y.var(axis=0).mean()))
    assert targets.read(found.plain()) == found


def test_what_never_differs_is_nothing_to_predict() -> None:
    with pytest.raises(DataError, match="'area' has one value in all 50 training examples: nothing to predict"):
        targets.fit(["price", "area"], np.column_stack([Y[:, 0], np.full(50, 0.1)]))
