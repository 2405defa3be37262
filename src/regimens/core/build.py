"""Build the object that one node of a configuration (a mapping with `_target_`) describes."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from regimens.core.errors import UserError
from regimens.core.plugins import permitted

# `_target_` runs code, so a configuration may name these packages alone, and its `plugins`.
ALLOWED = ("torch.", "pytorch_lightning.", "regimens.", "schedulefree.")
# Keys of a node that its target does not take: display name, tuning range, the option that it becomes in the limit, and
# how a schedule is stepped.
METADATA = frozenset({"name", "tune", "contains", "interval", "warmup"})


def build(node: Mapping[str, Any]) -> Any:
    """What `node`, a plain dictionary with `_target_`, stands for: an object, or a factory where `_partial_` is true.

    Raises UserError where the target is outside ALLOWED, unknown, or does not take the node's keys or values.
    """
    target = check(node)
    with explained(node):
        given = {key: filled(value) for key, value in node.items() if key not in METADATA}
        # `hydra.utils.instantiate` takes a millisecond and more; a trial has a dozen nodes.
        named = {key: value for key, value in given.items() if not key.startswith("_")}
        factory = partial(target, *given.get("_args_", ()), **named)
        return factory if given.get("_partial_") else factory()


def filled(value: Any) -> Any:
    """A copy of a value in which every node is replaced by what it builds."""
    if isinstance(value, Mapping):
        return build(value) if "_target_" in value else {key: filled(item) for key, item in value.items()}
    return [filled(item) for item in value] if isinstance(value, list) else value


def make(node: Mapping[str, Any], **extra: Any) -> Any:
    """The object itself, `_partial_` or not; `extra` are more keyword arguments. Raises UserError as `build` does."""
    factory = build({**node, "_partial_": True})
    with explained(node):
        return factory(**extra)


@contextmanager
def explained(node: Mapping[str, Any]) -> Iterator[None]:
    """Turn a TypeError or ValueError that a target raises into a UserError that names the node."""
    try:
        yield
    except UserError:
        raise
    except Exception as err:
        cause = err.__cause__ or err
        if isinstance(cause, UserError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError):
            raise UserError(f"{label(node)}: {str(cause).splitlines()[0]}") from err
        raise


def check(node: Mapping[str, Any]) -> Any:
    """The node's target, whose signature is checked to take the node's keys: a partial would only fail when called."""
    target = locate(str(node.get("_target_", "")))
    keys = {key for key in node if key not in METADATA and not (key.startswith("_") and key.endswith("_"))}
    accepted = inspect.signature(target).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in accepted):
        return target
    unknown = sorted(keys - {p.name for p in accepted})
    if unknown:
        known = ", ".join(p.name for p in accepted)
        raise UserError(f"{label(node)}: unknown key {unknown[0]!r}; {node['_target_']} takes {known}")
    return target


def locate(path: str) -> Any:
    """The class or function that a dotted path names.

    Raises UserError outside ALLOWED and the configuration's plugins, or where there is none.
    """
    own = path.startswith(tuple(f"{name}." for name in permitted()))
    if not path.startswith(ALLOWED) and not own:
        may = f"a configuration may only name {', '.join(p + '*' for p in ALLOWED)}"
        top = path.partition(".")[0]
        hint = f"; to permit code of yours: plugins=[{top}]" if "." in path and top.isidentifier() else ""
        raise UserError(f"_target_={path!r}: {may}{hint}")
    try:
        if own:  # so that an import that fails inside it is told
            importlib.import_module(path.rpartition(".")[0])
        return pkgutil.resolve_name(path)
    except Exception as err:
        # What is wrong in code of the user's own is for her to see.
        why = f": {type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''}" if own else ""
        raise UserError(f"_target_={path!r}: there is no such class or function{why}") from err


def label(node: Mapping[str, Any]) -> str:
    """The name of a node in messages: its `name`, else its target."""
    return str(node.get("name") or node.get("_target_"))
