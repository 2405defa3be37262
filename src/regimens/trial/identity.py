"""What a trial is: the name that follows from all that its numbers depend on, and from nothing else.

Two trials of one name give the same bits on the same hardware and versions; where their files lie, which study lists
them and who trained them is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.core.build import METADATA
from regimens.core.errors import UserError
from regimens.core.files import sha256
from regimens.core.hashing import digest
from regimens.trial.regimen import regimen_of

# Said of a technique, and without influence on numbers; `interval` and `warmup` are how a schedule is driven.
REMARKS = METADATA - {"interval", "warmup"}


@dataclass(frozen=True)
class Identity:
    """`content` names regimen, seed, data, starting weights and engine; `code` is the code that moves numbers."""

    content: str
    code: str

    def to_json(self) -> dict[str, str]:
        """Plain values, for `Result.trial`."""
        return {"content": self.content, "code": self.code}


def content_of(config: Mapping[str, Any], data: str | None, engine: str) -> str:
    """The name of a resolved configuration's trial, the code aside.

    `data` is the hash of what it trains and is tested on, `engine` what is to step it. Raises UserError where the
    weights that transfer starts from are not there.
    """
    regimen = without_remarks(regimen_of(config))
    if data is not None:  # the hash covers the data set, its split and scaling, and the task
        regimen = {key: value for key, value in regimen.items() if key not in ("data", "task")}
    weights = weights_hash(config)
    if weights is not None:
        regimen["transfer"] = {**regimen["transfer"], "checkpoint": weights}
    return digest(
        {
            "regimen": {**regimen, "engine": engine},
            "seed": config["seed"],
            "data": data,
            # not of the regimen, but a trial that read the test set or was probed knows more than one that did not
            "test": config.get("test"),
            "probe": config.get("probe"),
        }
    )


def without_remarks(value: Any) -> Any:
    """Nested plain values without what is only said about a technique: its display name, its range for tuning."""
    if isinstance(value, Mapping):
        return {key: without_remarks(item) for key, item in value.items() if key not in REMARKS}
    return [without_remarks(item) for item in value] if isinstance(value, list) else value


def weights_hash(config: Mapping[str, Any]) -> str | None:
    """The SHA-256 of the checkpoint that transfer starts from, None without one; raises UserError if it is gone."""
    named = (config.get("transfer") or {}).get("checkpoint")
    if not named:
        return None
    path = Path(named)
    path = path / "final.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"transfer.checkpoint={named}: no such run or file; train one with experiment=task_a")
    return sha256(path)
