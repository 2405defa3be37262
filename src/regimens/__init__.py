"""Regimens: reproducible studies of how to train deep networks. See README.md for the commands.

From Python: `regimens.train`, `regimens.run_study` and `regimens.load`, all in `regimens.api`. Nothing slow is imported
before one of them is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regimens.api import Picture, StudyOutcome, TrialOutcome, UserError, load, run_study, train

__all__ = ["Picture", "StudyOutcome", "TrialOutcome", "UserError", "load", "run_study", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from regimens import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
