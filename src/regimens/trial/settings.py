"""The top-level numbers of a trial, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from regimens.core.errors import UserError, nearest
from regimens.core.metrics import CLASSES, QUANTITIES
from regimens.core.plugins import permit
from regimens.trial.regimen import GROUPS

ENGINES = ("auto", "eager", "compiled", "fleet")
LEAST = {"seed": 0, "epochs": 1, "batch_size": 1, "threads": 1}
CHOICES = {
    "restore": ("last", "best"),
    "probe": ("none", "gradients", "lr_range", "zeros"),
    "advice": ("warn", "error", "off"),
    "engine": ENGINES,
}
# What each group has to have for a trial to be composed; where it is not named here, a _target_.
NEEDED = {
    "data": ("_target_", "name"),
    "task": ("kind",),
    "norm": ("_target_", "layer"),
    "trainer": ("_target_", "accelerator", "devices"),
    "paths": ("root", "data", "runs"),
}


@dataclass(frozen=True)
class Settings:
    """Raises UserError for a value of the wrong type or out of range."""

    name: str
    seed: int
    epochs: int
    batch_size: int
    threads: int
    test: bool
    restore: str
    probe: str
    advice: str
    engine: str

    def __post_init__(self) -> None:
        for key, least in LEAST.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int):
                raise UserError(f"{key}={value}: must be a whole number, {least} or more")
            if value < least:
                raise UserError(f"{key}={value}: must be {least} or more")
        for key, options in CHOICES.items():
            if getattr(self, key) not in options:
                raise UserError(f"{key}={getattr(self, key)}: must be one of {', '.join(options)}")
        if not isinstance(self.test, bool):
            raise UserError(f"test={self.test}: must be true or false")


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings in a plain configuration; other keys are ignored. Raises UserError."""
    for field in fields(Settings):
        if field.name not in config:
            raise UserError(f"{field.name}: missing from the configuration, and every trial has it")
    return Settings(**{field.name: config[field.name] for field in fields(Settings)})


def is_foreign(node: Mapping[str, Any]) -> bool:
    """Whether a node's target is none of this package's."""
    return not str(node.get("_target_")).startswith("regimens.")


def check_loss(config: Mapping[str, Any]) -> None:
    """Raise UserError where the loss is for another kind of task, or what is to be measured is none of the task's."""
    regression = config["task"]["kind"] == "regression"
    module, _, name = str(config["loss"]["_target_"]).rpartition(".")
    of_classes, of_quantities = ("CrossEntropy", "Weighted"), ("SquaredError", "AbsoluteError", "Huber")
    if module == "regimens.training.losses" and name in (of_classes if regression else of_quantities):
        wanted = "quantities (task=regression): loss=mse, mae or huber" if regression else "classes: loss=cross_entropy"
        raise UserError(f"loss: {name} is for {'classes' if regression else 'quantities'}, and the task has {wanted}")
    check_names(config.get("metrics") or [], regression)


def check_names(names: Any, regression: bool) -> tuple[str, ...]:
    """The names of metrics that are asked for. Raises UserError for one that there is not, or is of another task."""
    known = QUANTITIES if regression else CLASSES
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UserError(f"metrics={names}: a list of names, such as [{', '.join(list(known)[:2])}]")
    for name in names:
        if name not in known:
            raise UserError(f"metrics: there is no {name} of {'quantities' if regression else 'classes'}"
                            f"{nearest(name, known)}")  # fmt: skip
    return tuple(names)


def check_groups(config: Mapping[str, Any]) -> None:
    """Raise UserError where a group of options is missing, holds something else than one of them, or lacks a part."""
    permit(config.get("plugins"))
    for group in (*GROUPS, "tracking", "paths"):
        node = config.get(group)
        if not isinstance(node, Mapping):
            said = "missing" if node is None else f"{node!r} is no option of it"
            raise UserError(f"{group}: {said}; a trial has one of the options in conf/{group}/, as {group}=NAME")
        for key in NEEDED.get(group, ("_target_",)):
            if key not in node:
                raise UserError(f"{group}.{key}: missing; it cannot be left out of a trial's configuration")
    for key in NEEDED["paths"]:
        if not isinstance(config["paths"][key], str) or not config["paths"][key]:
            raise UserError(f"paths.{key}={config['paths'][key]}: must be a folder")
    check_loss(config)
    hidden = config["model"].get("hidden", [] if is_foreign(config["model"]) else None)
    if not isinstance(hidden, list) or not all(isinstance(one, int) and one >= 1 for one in hidden):
        raise UserError(f"model.hidden={hidden}: must be a list of whole numbers, the units of each hidden layer")
    if not isinstance(config["norm"]["layer"], Mapping):
        raise UserError(f"norm.layer={config['norm']['layer']}: must be a group of values with a _target_")
