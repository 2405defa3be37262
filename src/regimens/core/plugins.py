"""Plugins: the packages of the user's own that a configuration may import from, beside ALLOWED of `core.build`.

`_target_` runs code. `plugins=[mylab]` is the permission to run what is in `mylab`, for the configuration that says so.
"""

import functools
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError

_permitted: tuple[str, ...] = ()


def permitted() -> tuple[str, ...]:
    """The plugins of the configuration that was looked at last."""
    return _permitted


def permit(names: object) -> None:
    """From now on, configurations may import from these packages, and from no other plugins.

    The current directory is searched for them too. Raises UserError where `names` is no list of names of packages that
    exist, or one of them is part of Python.
    """
    global _permitted
    _permitted = ()
    for name in listed(names):
        root(name)
        fingerprint(name)
    _permitted = tuple(listed(names))


def permit_own(names: object) -> None:
    """`permit` for a configuration that came with a run, which may be anybody's: only code that is not installed.

    That is, what lies in the current directory or on PYTHONPATH. Raises UserError for others.
    """
    installed = [Path(sysconfig.get_path(key)).resolve() for key in ("purelib", "platlib", "stdlib")]
    for name in listed(names):
        if any(folder in file.resolve().parents for file in root(name) for folder in installed):
            raise UserError(f"the run imports from {name}, which is installed: permit it with --plugins {name}")
    permit(names)


def listed(names: object) -> list[str]:
    """The value of `plugins`; raises UserError where it is no list of names."""
    if names is None:
        return []
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise UserError(f"plugins={names}: give a list of packages, as in plugins=[mylab]")
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"plugins={list(names)}: {name!r} is no name of a package")
        if name.partition(".")[0] in sys.stdlib_module_names:
            raise UserError(f"plugins={list(names)}: {name} is part of Python, and no code of yours")
    return list(names)


def root(name: str) -> list[Path]:
    """The folders, or the file, of the top-level package that a plugin is in; raises UserError where there is none."""
    top = name.partition(".")[0]
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise UserError(
            f"plugins=[{name}]: there is no {top} in {here}, on PYTHONPATH or installed; run the command where it lies"
        )
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin else []


@functools.cache
def fingerprint(name: str) -> str:
    """SHA-256 of all Python files of the top-level package that a plugin is in.

    As they were when this process first asked, which is before it imports them.
    """
    digest = hashlib.sha256()
    for place in root(name):
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            named = file.relative_to(place).as_posix() if file != place else file.name
            digest.update(f"{named}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()


def fingerprints(config: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprint of each plugin of a configuration."""
    return {name: fingerprint(name) for name in listed(config.get("plugins"))}
