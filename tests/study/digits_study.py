"""Studies of the real configuration on the digits, defined in this process and not run."""

from typing import Any

from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.settings import read_settings
from regimens.study.definition.study import Study
from regimens.trial.engine_choice import Size
from tests.conftest import CONF

DIGITS = Size(1000, 64, 10)


def study_of(*arguments: str, size: Size = DIGITS, **settings: Any) -> Study:
    source = Source("train", (("hydra", "pkg://hydra.conf"), ("main", f"file://{CONF}"), ("schema", "structured://")))
    line = read_command_line(["tracking=none", "name=test", "data=digits", *arguments])
    return define(read_settings(settings), line, Composer(source), name="test", size_of=lambda cfg: size)
