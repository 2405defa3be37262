"""The exceptions that several rooms handle, and the "did you mean" that ends their messages."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The user's mistake. The message is one line: what is wrong, where, and what to do."""


class DataError(UserError):
    """Data that cannot be had, or is not what it claims to be."""


class Pruned(Exception):  # noqa: N818 - it says what happened to the trial, and is no error
    """Raised from an epoch callback: this trial is not worth finishing."""


class MisnamedError(UserError):
    """What is about to be trained is not what was named: code, data or weights changed after the trial was listed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A suggestion to end a message with: the only known name that begins so, else the nearest, or all of them."""
    names = sorted(known)
    begun = [one for one in names if one.startswith(name)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; choose from {', '.join(names)}"
