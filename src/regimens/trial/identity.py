"""The identity of a trial: a hash of everything that its numbers depend on, and of nothing else.

Two trials of one identity give the same bits on the same hardware and versions; paths, the study and the worker are not
in it.
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
from regimens.core.plugins import fingerprints
from regimens.trial.regimen import regimen_of

# Keys of a technique without influence on numbers. `interval` and `warmup`, which step a schedule, have influence.
REMARKS = METADATA - {"interval", "warmup"}
PLAIN_LOSS = "regimens.training.losses.CrossEntropy"


@dataclass(frozen=True)
class Identity:
    """`content` names regimen, seed, data, starting weights and engine; `code` is the code that moves numbers."""

    content: str
    code: str

    def to_json(self) -> dict[str, str]:
        """Plain values, for `Result.trial`."""
        return {"content": self.content, "code": self.code}


def content_of(config: Mapping[str, Any], data: str | None, engine: str) -> str:
    """The hash of a resolved configuration's trial, without the code.

    `data` is the hash of its training and test data, `engine` the name of its engine. Raises UserError where the
    weights that transfer starts from are missing.
    """
    regimen = without_remarks(regimen_of(config))
    if data is not None:  # the hash covers the data set, its split and scaling, and the task
        regimen = {key: value for key, value in regimen.items() if key not in ("data", "task")}
    weights = weights_hash(config)
    if weights is not None:
        regimen["transfer"] = {**regimen["transfer"], "checkpoint": weights}
    if regimen.get("loss", {}).get("_target_") == PLAIN_LOSS and not regimen["loss"].get("smoothing"):
        del regimen["loss"]  # trials were named before there was another
    plugins = fingerprints(config)
    metrics = sorted(config.get("metrics") or ())
    return digest(
        {
            **({"plugins": plugins} if plugins else {}),
            "regimen": {**regimen, "engine": engine},
            "seed": config["seed"],
            "data": data,
            # not part of the regimen, but a trial with test metrics or a probe has results that another lacks
            **({"metrics": metrics} if metrics else {}),
            "test": config.get("test"),
            "probe": config.get("probe"),
        }
    )


def without_remarks(value: Any) -> Any:
    """Nested plain values without the keys that do not influence numbers: display names, tuning ranges."""
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
