"""The top-level numbers of a trial, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from regimens.errors import UserError

ENGINES = ("auto", "eager", "compiled", "fleet")
LEAST = {"seed": 0, "epochs": 1, "batch_size": 1, "threads": 1}
CHOICES = {
    "restore": ("last", "best"),
    "probe": ("none", "gradients", "lr_range"),
    "advice": ("warn", "error", "off"),
    "engine": ENGINES,
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
    """The settings in a plain configuration; keys of other rooms are left alone."""
    return Settings(**{field.name: config[field.name] for field in fields(Settings)})
