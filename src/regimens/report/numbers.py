"""How the report writes numbers: one place, so that every table, sentence and caption agrees."""

from __future__ import annotations

import math
from typing import Any

from regimens.core.metrics import figures
from regimens.core.shares import is_share

MISSING = "–"


def number(value: Any) -> float | None:
    """`value` as a finite float, or None (null, text, NaN and infinities are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def value(x: float | None, metric: str, digits: int = 1) -> str:
    """A metric's value in its unit: `89.3%` for shares, four significant digits otherwise."""
    if x is None:
        return MISSING
    return f"{100 * x:.{digits}f}%" if is_share(metric) else figures(x)


def interval(bounds: tuple[float, float] | None, metric: str, digits: int = 1) -> str:
    """An interval: `[89.1, 89.5]`, without the unit that the mean before it carries."""
    if bounds is None:
        return ""
    low, high = (f"{100 * x:.{digits}f}" if is_share(metric) else figures(x) for x in bounds)
    return f"[{low}, {high}]"


def difference(x: float | None, metric: str, digits: int = 2) -> str:
    """A signed difference: percentage points for shares."""
    if x is None:
        return MISSING
    text = f"{100 * x:+.{digits}f} pts" if is_share(metric) else figures(x, 3, "+")
    return text.replace("-", "−")


def half_width(x: float, metric: str, digits: int = 2) -> str:
    """Half the width of a difference's interval, without a sign: `0.34 pts`."""
    return difference(abs(x), metric, digits)[1:]


def p_value(p: float | None) -> str:
    """A p-value: three digits, never `0.000`."""
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(x: float | None) -> str:
    """A duration for people: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    if x is None:
        return MISSING
    if x < 60:
        return f"{x:.1f} s" if x < 10 else f"{x:.0f} s"
    minutes, rest = divmod(round(x), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def listing(names: list[str], most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 5 others`."""
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def plural(n: int, noun: str) -> str:
    """`1 trial`, `8 trials`, `3 losses`."""
    if n != 1:
        ending = "es" if noun.endswith("s") else "s"
        noun = noun.replace("way of", "ways of") if noun.startswith("way of") else f"{noun}{ending}"
    return f"{n} {noun}"


def span(counts: set[int]) -> str:
    """`10,000`, or `180 to 200` where they differ."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def power_of_ten(x: float) -> str:
    """A ratio that may be very small: `0.42`, `3 × 10⁻¹⁷`, `nothing`."""
    if x == 0:
        return "nothing"
    if 0.01 <= x < 1000:
        return f"{x:.2g}"
    digits, exponent = f"{x:.0e}".split("e")
    return f"{digits} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def signed(share: float) -> str:
    """A difference of shares in points, with its sign: `+0.77`, `−12.80`."""
    return f"{100 * share:+.2f}".replace("-", "−")
