"""Dates: which format a column of text follows, and its days as numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from regimens.data.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO8601"
#: as people write days; where two fit a whole column, nothing says which
DAYS = ("%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y",
        "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y")  # fmt: skip
HOURS = ("", " %H:%M", " %H:%M:%S")
SECONDS_OF_DAY = 86_400.0
YEAR = 365.2425


def formats(texts: Sequence[str]) -> list[str]:
    """The formats that all of `texts` follow; a year of four digits comes before one of two."""
    if not texts or not all(any(map(str.isdigit, text)) and len(text) >= 6 for text in texts[:50]):
        return []
    if _looks_iso(texts) and not np.isnan(days(texts, ISO)).any():
        return [ISO]
    found = [
        day + hour
        for day in DAYS
        for hour in HOURS
        if all(text.count(":") == hour.count(":") for text in texts[:50])
        and not np.isnan(days(texts[:50], day + hour)).any()
        and not np.isnan(days(texts, day + hour)).any()
    ]
    return [one for one in found if "%y" not in one] or found


def _looks_iso(texts: Sequence[str]) -> bool:
    return all(text[:4].isdigit() and text[4:5] == "-" for text in texts[:50])


def days(texts: "Sequence[str] | pd.Series", form: str) -> Array:
    """Days since 1970, (n,) float64, of texts or timestamps; NaN for what does not follow `form`. Zones become UTC."""
    import pandas as pd

    stamps = pd.to_datetime(pd.Series(texts), format=form, errors="coerce", utc=True)
    return elapsed(stamps)


def elapsed(stamps: "pd.Series") -> Array:
    """Days since 1970, (n,) float64, NaN where there is no time."""
    if getattr(stamps.dt, "tz", None) is not None:
        stamps = stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    # Nanoseconds, the unit that pandas takes by itself, end in 2262.
    passed = stamps.dt.as_unit("us").to_numpy(dtype="datetime64[us]") - np.datetime64(0, "us")
    return np.where(np.isnat(passed), np.nan, passed / np.timedelta64(1, "s")) / SECONDS_OF_DAY


def is_format(form: str) -> bool:
    """Whether pandas can read dates of the format `form`."""
    import pandas as pd

    try:
        pd.to_datetime(pd.Series(["1"]), format=form, errors="coerce")
    except ValueError:
        return False
    return True


def features(values: Array) -> Array:
    """(n,) days since 1970 as (n, 5): the days, and the places in the year and in the week as sine and cosine."""
    turns = [2 * np.pi * values / period for period in (YEAR, 7.0)]
    return np.column_stack([values, *(wave(turn) for turn in turns for wave in (np.sin, np.cos))])


FEATURES = ("days", "year sin", "year cos", "week sin", "week cos")
