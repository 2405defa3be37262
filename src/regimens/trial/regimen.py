"""The part of a configuration that is the regimen: how to train and on what, without seed and paths."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig


# Top-level keys that are not part of the regimen, so not of its hash: run name, paths, tracking, study settings,
# diagnostics. Of plugins, what they hold is part of a trial's identity.
NOT_REGIMEN = (
    *("seed", "name", "paths", "tracking", "study", "tune", "test", "metrics", "advice", "probe", "plugins", "hydra"),
)
# The config groups, in the order of the defaults list of conf/train.yaml.
GROUPS = (
    *("loss", "task", "data", "model", "init", "activation", "norm", "regularization"),
    *("clip", "optimizer", "scheduler", "average", "transfer", "trainer"),
)


def told(choices: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    """The option of each group, for a result; where its target is code of the user's own, that target's name."""
    named = {group: choices.get(group, "?") for group in GROUPS}
    plugins = tuple(f"{name}." for name in config.get("plugins") or ())
    targets = {group: str((config.get(group) or {}).get("_target_")) for group in GROUPS}
    return {**named, **{group: target for group, target in targets.items() if target.startswith(plugins)}}


def plain(cfg: "Mapping[str, Any] | DictConfig") -> dict[str, Any]:
    """The configuration as plain containers, every interpolation resolved; one that is plain already, as it is."""
    from omegaconf import OmegaConf

    if isinstance(cfg, dict):
        return cfg
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def regimen_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that says how to train and on what: without the seed and without paths."""
    regimen = {key: value for key, value in config.items() if key not in NOT_REGIMEN}
    if config.get("probe") == "lr_range":  # a range test replaces the schedule
        regimen["probe"] = "lr_range"
    regimen["data"] = {key: value for key, value in config["data"].items() if key not in ("dir", "cache")}
    return regimen
