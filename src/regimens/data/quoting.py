"""Overrides as people type them: quoted for Hydra's grammar, and the whole of it for the shell.

Every piece of advice that is to be typed is made here. `key='...'` is read alike by a shell, which takes the outer
quotes away, and where it is passed on as it stands: Hydra then gives a string, which `listed` and `mapped` read again.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from regimens.core.errors import DataError

_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_PATH = re.compile(r"[A-Za-z_/.][\w./-]*", re.ASCII)
_KEYWORDS = frozenset({"true", "false", "null", "inf", "nan"})
SHOWN = 8  # names in a line before "and more"

Value = str | Sequence[str] | Mapping[str, str]


def typed(key: str, value: Value) -> str:
    """`key=value` such that a shell and then Hydra give back `value`: data.drop='["Type [L/M/H]"]'."""
    text = for_hydra(value)
    if not any(character < " " for character in text):
        return f"{key}={shlex.quote(text)}"
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}=$'{''.join(one if one >= ' ' else f'{chr(92)}x{ord(one):02x}' for one in escaped)}'"


def one_line(text: str) -> str:
    """`text` as part of a message of one line."""
    return " ".join(text.split())


def few(names: Sequence[str]) -> str:
    """The first names in a line, and how many more there are."""
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return one_line(", ".join(names[:SHOWN])) + more


def for_hydra(value: Value) -> str:
    """`value` in Hydra's grammar of overrides; names that are no words of it are quoted, interpolations escaped."""
    if isinstance(value, Mapping):
        if not all(_is_word(name) for name in value):  # a quoted name is no key to Hydra
            return for_hydra([f"{name}={kind}" for name, kind in value.items()])
        return "{" + ", ".join(f"{name}: {for_hydra(kind)}" for name, kind in value.items()) + "}"
    if isinstance(value, str):
        plain = _is_word(value) or (_PATH.fullmatch(value) and "/" in value)
        return value if plain else _quoted(value)
    return "[" + ", ".join(for_hydra(item) for item in value) + "]"


def listed(value: object, key: str) -> list[str]:
    """The names that `key` was given: a list, one name, or a list in a string, as a quoted override leaves it.

    Raises DataError for anything else.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        value = _read(value, key)
    if value is None:
        return []
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, Sequence) and not any(isinstance(item, Mapping | list) for item in value):
        return [str(item) for item in value]
    raise DataError(f"{key}={value}: give a list of names, as in {typed(key, ['a', 'b c'])}")


def mapped(value: object, key: str) -> dict[str, str]:
    """The names and words that `key` was given: a mapping, a list of name=word, or either in a string.

    Raises DataError for anything else.
    """
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        value = _read(value, key)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {str(name): str(word) for name, word in value.items()}
    pairs = [item.rpartition("=") for item in listed(value, key)]
    if not all(name and word for name, _, word in pairs):
        raise DataError(f"{key}={value}: give a mapping, as in {typed(key, {'a': 'b'})}")
    return {name: word for name, _, word in pairs}


def _is_word(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _KEYWORDS


def _quoted(text: str) -> str:
    """`text` in quotes; Hydra takes backslashes away before a quote alone."""
    text = text.replace("${", "\\${")
    quote = "'" if '"' in text and "'" not in text else '"'
    text = re.sub(rf"(\\*){quote}", lambda found: found[1] * 2 + "\\" + quote, text)
    return quote + re.sub(r"(\\+)$", lambda found: found[1] * 2, text) + quote


def _read(text: str, key: str) -> object:
    import yaml

    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # every scalar stays the text that it is
    except yaml.YAMLError as error:
        raise DataError(f"{key}={text}: that is no list: give one as in {typed(key, ['a', 'b c'])}") from error
