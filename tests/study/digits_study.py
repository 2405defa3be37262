"""Studies of the real configuration on the digits, defined in this process and not run."""

from pathlib import Path
from typing import Any

from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.engine_plan import plan_fleets
from regimens.study.definition.settings import read_settings
from regimens.study.definition.study import Study
from regimens.study.queue import rounds
from regimens.study.queue.trial_files import TrialFiles
from regimens.trial.engine_choice import Size
from tests.conftest import CONF

DIGITS = Size(1000, 64, 10)


def study_of(*arguments: str, size: Size = DIGITS, **settings: Any) -> Study:
    line = read_command_line(["tracking=none", "data=digits", *arguments])
    composer = Composer(Source("train", (f"file://{CONF}",)))
    study = define(read_settings(settings), line, composer, name="test", size_of=lambda cfg: size)
    rounds.begin(study)
    plan_fleets(study, TrialFiles(study, Path()).plain)
    return study
