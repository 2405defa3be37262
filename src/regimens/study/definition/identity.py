"""What tells one study from another: all that its numbers follow from, as plain values, and how two of them differ."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regimens.core.result import finite, flatten
from regimens.study.definition.composer import Composed, Composer
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import Cell
from regimens.trial.identity import weights_hash

DataHash = Callable[[Mapping[str, Any]], str | None]


def identify(
    settings: Settings,
    axes: Mapping[str, Mapping[str, tuple[str, ...]]],
    tuned: Mapping[str, Any],
    cells: Sequence[Cell],
    seeds: tuple[int, Any],
    seconds: float | None,
    composer: Composer,
    code_hash: str,
) -> dict[str, Any]:
    """The identity of a study; `seeds` are the base seed, and the number or the list of those of the finals.

    seconds: how long its trials may be trained, where that decides how many there are.

    Raises:
        UserError: a checkpoint that transfer is to start from does not exist.
    """
    composed = {cell.label: composer.compose(cell.overrides) for cell in cells}
    identity = {
        "compared": {axis: {label: list(one) for label, one in labels.items()} for axis, labels in axes.items()},
        "tuned": tuned,
        "ranges": {cell.label: {path: one.to_json() for path, one in cell.ranges.items()} for cell in cells},
        "trials": settings.trials if any(cell.tuned for cell in cells) else None,
        "margin": settings.margin if any(cell.tuned for cell in cells) else None,
        "seeds": {"base": seeds[0], "finals": seeds[1], "most": settings.most_seeds, "settle": settings.settle},
        "extend": settings.extend,
        "refine": settings.refine,
        "objectives": [list(one) for one in settings.objectives],
        "mode": settings.mode,
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "regimens": {cell.label: without_places(composed[cell.label], cell.data) for cell in cells},
        "data": sorted({cell.data for cell in cells if cell.data is not None}),
        "weights": sorted({found for one in composed.values() if (found := weights_hash(one.plain)) is not None}),
        "code": code_hash if settings.code == "same" else "any",
        **({} if seconds is None else {"seconds": seconds}),
    }
    return json.loads(json.dumps(finite(identity), default=str))


def without_places(composed: Composed, data: str | None) -> dict[str, Any]:
    """A regimen without the paths of what is known by its content: its data (by the hash `data`), starting weights."""
    regimen = dict(composed.regimen)
    if data is not None:
        regimen["data"] = {key: value for key, value in regimen["data"].items() if key != "path"}
    weights = weights_hash(composed.plain)
    return {**regimen, "transfer": {**regimen["transfer"], "checkpoint": weights}} if weights else regimen


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`differences` for people: data whose settings are the same have changed where they lie."""
    lines = differences(old, new)
    if any(re.match(r"regimens\..*\.(data|task)\.", line) for line in lines):
        return [line for line in lines if not line.startswith("data:")]
    was, now = (", ".join(str(one)[:12] for one in identity.get("data") or ()) for identity in (old, new))
    content = f"data: their content is not what it was (SHA-256 {was} -> {now})"
    return [content if line.startswith("data:") else line for line in lines]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one line each: `path: old -> new`."""
    before, after = flatten(finite(old)), flatten(finite(new))
    lines = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path, "absent"), after.get(path, "absent")
        if was != now:
            lines.append(f"{path}: {was} -> {now}")
    return lines
