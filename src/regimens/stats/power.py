"""What a study could have seen: the smallest difference that so many units detect."""

from __future__ import annotations

import numpy as np

POWER = 0.8


def detectable(se: float, df: float, level: float) -> float | None:
    """The smallest difference that a two-sided t-test detects with a power of 80%; None where nothing scatters.

    se, df: the difference's standard error and its degrees of freedom. level: of this one test. The power is that of
    the noncentral t distribution (Cohen 1988, chapter 2), integrated over the estimated standard error.
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, norm, t

    if not se > 0 or not df > 0:
        return None
    shares = (np.arange(4000) + 0.5) / 4000
    thresholds = float(t.isf(level / 2, df)) * np.sqrt(chi2.ppf(shares, df) / df)

    def lacking(shift: float) -> float:
        return float(norm.sf(thresholds - shift).mean()) - POWER

    return float(brentq(lacking, 0.0, thresholds[-1] + 5)) * se
