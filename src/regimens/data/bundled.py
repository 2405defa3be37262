"""Tables that scikit-learn brings with it: small, real, and there without a network."""

from typing import Any

import numpy as np

from regimens.data.arrays import Arrays, narrowed


def wine() -> Arrays:
    """178 wines of three growers by 13 measured properties (UCI wine)."""
    from sklearn.datasets import load_wine

    return _classes(load_wine(), "scikit-learn's wine (UCI)")


def breast_cancer() -> Arrays:
    """569 tumours, malignant or benign, by 30 measured properties (UCI breast cancer Wisconsin, diagnostic)."""
    from sklearn.datasets import load_breast_cancer

    return _classes(load_breast_cancer(), "scikit-learn's breast cancer (UCI)")


def diabetes() -> Arrays:
    """442 patients by 10 properties, and how far their disease went within a year, 25 to 346 (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    (x,) = narrowed([np.asarray(bunch.data, dtype=np.float64)])
    y = bunch.target.astype(np.float64)[:, None]
    source, features = "scikit-learn's diabetes (Efron et al. 2004)", tuple(map(str, bunch.feature_names))
    names = ("progression",)
    return Arrays(x, y, None, None, None, None, 0, (), source, feature_names=features, quantities=names)


def _classes(bunch: Any, source: str) -> Arrays:
    """A bunch of scikit-learn's whose target is a class number."""
    (x,) = narrowed([np.asarray(bunch.data, dtype=np.float64)])
    names = tuple(map(str, bunch.target_names))
    y = bunch.target.astype(np.int64)
    features = tuple(map(str, bunch.feature_names))
    return Arrays(x, y, None, None, None, None, len(names), names, source, feature_names=features)
