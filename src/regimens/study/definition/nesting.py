"""Which cells contain another one as a limit: l1 without a penalty at strength 0, clipping none at an infinite bound.

The option's file says so (`contains: none`: as its own values go to their limit, it does what that option does). Such a
cell can do whatever the other one does, so that one that ends below it was tuned too little. Not so where several cells
take the option in other strengths: then each is held at its own, and that is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.core.hashing import digest
from regimens.study.definition.composer import Composed

KEY = "contains"


def contained(cells: Mapping[str, Composed]) -> dict[str, str]:
    """label -> label of the cell that it contains: one that differs from it in a single group, in that option."""
    limits = [
        (label, group, limit)
        for label, one in cells.items()
        for group, option in one.choices.items()
        if (limit := _limit(one, group)) not in (None, option)
    ]
    rest = {label: _without_each_group(one) for label, one in cells.items()} if limits else {}
    found: dict[str, str] = {}
    for label, group, limit in limits:
        alike = [other for other in cells if rest[other].get(group) == rest[label][group]]
        if any(_held(cells[label], cells[other], group) for other in alike):
            continue
        for other in alike:
            if cells[other].choices.get(group) == limit:
                found.setdefault(label, other)
    return found


def _held(one: Composed, other: Composed, group: str) -> bool:
    """Whether two cells take the same option of a group with other numbers."""
    return one.choices[group] == other.choices.get(group) and one.regimen[group] != other.regimen[group]


def _limit(one: Composed, group: str) -> str | None:
    node: Any = one.cfg.get(group)
    return str(node[KEY]) if isinstance(node, Mapping) and KEY in node else None


def _without_each_group(one: Composed) -> dict[str, str]:
    """Group -> hash of everything in the regimen but that group."""
    regimen = one.regimen
    return {
        group: digest({key: value for key, value in regimen.items() if key != group})
        for group in one.choices
        if group in regimen
    }
