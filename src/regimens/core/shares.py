"""Which metrics are shares: fractions from 0 to 1 that people read in percent."""


def is_share(metric: str) -> bool:
    """Whether `metric` is such a fraction, by its name."""
    return any(word in metric for word in ("accuracy", "share", "error"))
