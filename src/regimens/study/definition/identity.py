"""What tells one study from another: all that its numbers follow from, as plain values, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.errors import UserError
from regimens.core.hashing import digest
from regimens.core.result import finite
from regimens.study.definition.composer import Composer
from regimens.study.definition.settings import Settings
from regimens.study.definition.study import Cell

DataHash = Callable[[DictConfig], str | None]


def identify(
    settings: Settings,
    axes: Mapping[str, Mapping[str, tuple[str, ...]]],
    tuned: Mapping[str, Any],
    cells: Sequence[Cell],
    seeds: tuple[int, tuple[int, ...]],
    composer: Composer,
    data_hash: DataHash,
    code_hash: str | None,
) -> dict[str, Any]:
    """The identity of a study; `seeds` are the base seed and those of the finals.

    Raises:
        UserError: a checkpoint that transfer is to start from does not exist.
    """
    composed = {cell.label: composer.compose(cell.overrides) for cell in cells}
    configs = [one.cfg for one in composed.values()]
    identity = {
        "compared": {axis: {label: list(one) for label, one in labels.items()} for axis, labels in axes.items()},
        "tuned": tuned,
        "ranges": {cell.label: {path: one.to_json() for path, one in cell.ranges.items()} for cell in cells},
        "trials": settings.trials if any(cell.tuned for cell in cells) else None,
        "seeds": {"base": seeds[0], "finals": list(seeds[1])},
        "objectives": [list(one) for one in settings.objectives],
        "mode": settings.mode,
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "regimens": {label: one.regimen for label, one in composed.items()},
        "data": _data_hashes(configs, data_hash),
        "weights": _weights(configs),
        "code": code_hash,
    }
    return json.loads(json.dumps(finite(identity), default=str))


def _data_hashes(configs: list[DictConfig], data_hash: Callable[[DictConfig], str | None]) -> list[str | None]:
    """The hash of each data set that these configurations name, each loaded once."""
    distinct = {digest(OmegaConf.to_container(cfg.data, resolve=True)): cfg for cfg in configs}
    return [data_hash(cfg) for cfg in distinct.values()]


def _weights(configs: list[DictConfig]) -> dict[str, str]:
    """The SHA-256 of each checkpoint that transfer starts from: other weights under the same path are another study."""
    found = {}
    for cfg in configs:
        named = OmegaConf.select(cfg, "transfer.checkpoint")
        if named:
            path = Path(named)
            path = path / "final.safetensors" if path.is_dir() else path
            if not path.is_file():
                raise UserError(f"transfer.checkpoint={named}: no such run or file; train one with experiment=task_a")
            found[str(named)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two identities, one line each: `path: old -> new`."""
    before, after = dict(_flat(old, "")), dict(_flat(new, ""))
    lines = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path, "absent"), after.get(path, "absent")
        if was != now:
            lines.append(f"{path}: {was} -> {now}")
    return lines


def _flat(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{prefix}.{key}" if prefix else key)]
    if isinstance(value, float) and math.isnan(value):
        return [(prefix, None)]
    return [(prefix, value)]
