"""Passwords in URLs: hidden in everything that is written or printed, and restored in the workers of a command.

An override may be `tracking.uri=https://me:password@host`. In files it reads `me:***`; the password itself goes from
the command to its workers through the environment.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

VARIABLE = "REGIMENS_SECRETS"
URL = re.compile(r"(\w[\w+.-]*://[^\s:/@'\"\\]*):[^\s'\"\\]+@")
# PostgreSQL and others also take it as `...?user=me&password=secret`.
QUERY = re.compile(r"(\w[\w+.-]*://[^\s'\"\\]*?[?&]\w*(?:password|passwd|pwd|token)=)[^&\s'\"\\]+", re.IGNORECASE)


def redact(value: Any) -> Any:
    """A copy of nested plain values, or of a text, in which the password of every URL is three stars."""

    def hide(text: str) -> str:
        # Fast path: few of the hundreds of texts in a result are URLs.
        return QUERY.sub(r"\1***", URL.sub(r"\1:***@", text)) if "://" in text else text

    return _each(value, hide)


def brief(error: BaseException) -> str:
    """The first line of what an error says, without passwords."""
    return str(redact((str(error).strip().splitlines() or [type(error).__name__])[0]))


def keep(value: Any) -> None:
    """Remember the URLs with passwords in nested plain values, for this process and those that it starts."""
    found = _remembered()

    def note(text: str) -> str:
        found.update({redact(one[0]): one[0] for form in (URL, QUERY) for one in form.finditer(text)})
        return text

    _each(value, note)
    if found:
        os.environ[VARIABLE] = json.dumps(found)


def restore(value: Any) -> Any:
    """A copy of redacted plain values with the passwords that are remembered."""
    passwords = _remembered()

    def whole(text: str) -> str:
        for hidden in sorted(passwords, key=len, reverse=True):
            text = text.replace(hidden, passwords[hidden])
        return text

    return _each(value, whole)


def _remembered() -> dict[str, str]:
    return json.loads(os.environ.get(VARIABLE, "{}"))


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key) if isinstance(key, str) else key: _each(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each(item, change) for item in value]
    return value
