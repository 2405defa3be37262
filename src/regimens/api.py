"""Regimens from Python, in a script or a notebook: the same trials and studies as those of `python src/train.py`.

    import regimens

    found = regimens.run_study("optimizers", data="digits", scale="smoke", study__workers=2)
    found.table                                    # a pandas frame: a row for each optimiser, best first
    mine = regimens.train(data="digits", optimizer="nadam", epochs=5)
    mine.predict(x)                                # x: arrays as those of training; names of classes
    regimens.load("runs/mine").probabilities(x)

Keywords are the command line's keys, with two underscores for each dot: `optimizer__lr=0.01` is `optimizer.lr=0.01`.
Words that are no keywords are overrides as they would be typed: `"optimizer.lr=tag(log,interval(0.0001,0.1))"`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.commands.outcome import Picture, StudyOutcome, TrialOutcome, answer_of
from regimens.core.errors import UserError

if TYPE_CHECKING:
    from regimens.inference.predict import Model

__all__ = ["Picture", "StudyOutcome", "TrialOutcome", "UserError", "load", "run_study", "train"]


def train(*words: str, **settings: Any) -> TrialOutcome:
    """Train one regimen with one seed, as `python src/train.py` does: `train(data="digits", optimizer="nadam")`.

    `name="mine"` chooses the directory, `runs/mine`; without it, it is the time of day.

    Raises:
        UserError: a key, an option or a value makes no sense; the message is one line.
        KeyboardInterrupt: it was interrupted, and leaves no result.
    """
    overrides = [*words, *_settings(settings)]
    with _composed(overrides, many=False) as (_, config):
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        from regimens.commands import one_run

        HydraConfig.instance().set_config(config)
        hydra = config.hydra
        cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        named = any(one.startswith(("name=", "hydra.run.dir=")) for one in overrides)
        result, place = one_run.train(
            cfg, one_run.checked(cfg), Path(hydra.run.dir), dict(hydra.runtime.choices), named=named
        )
    return TrialOutcome(place, result)


def run_study(*words: str, compare: Mapping[str, Sequence[Any]] | None = None, **settings: Any) -> StudyOutcome:
    """Ask a question, or go on with it, as `python src/train.py -m` does; the same call finds the same study.

    A first word without "=" is a declared study: `run_study("optimizers", data="digits")`. `compare` maps an axis to
    what is compared: `run_study(compare={"optimizer": ["adam", "nadam"]}, study__seeds=5)`.

    Finished trials are kept whatever happens: after an interrupt, the same call goes on.

    Raises:
        UserError: a key, an option or a value makes no sense, or nobody can go on; the message is one line.
        KeyboardInterrupt: it was interrupted.
    """
    declared = [word if "=" in word else f"study={word}" for word in words]
    axes = [f"{axis}={','.join(_text(one) for one in values)}" for axis, values in (compare or {}).items()]
    with _composed([*declared, *axes, *_settings(settings)], many=True) as (context, config):
        from regimens.report.study_end import draw
        from regimens.study.run_study import conduct
        from regimens.study.workers.worker import StudyStopped

        arguments, runner = list(config.hydra.overrides.task), config.hydra.sweeper.run_trial
        try:
            done = conduct(context, config, arguments, runner, draw, answer_of)
        except StudyStopped as stop:
            raise UserError(f"{stop}; the same call then goes on") from stop
        except KeyboardInterrupt:
            print("stopped: what has finished is kept, and the same call goes on", file=sys.stderr)
            raise
    return StudyOutcome(done.directory, done.table, done.best)


def load(run: str | Path, weights: str = "final", runs: str | Path = "runs") -> Model:
    """The network of a run: its directory, or its MLflow run id (looked for below `runs`); `weights`: final or best.

    `.predict(x)` names the class of each example, `.probabilities(x)` has a column for each of `.classes`.

    Raises:
        UserError: there is no such run, or a file of it is damaged.
    """
    from regimens.inference import predict
    from regimens.tracking.delivery import find_run

    return predict.load(find_run(str(run), Path(runs)), weights)


def _settings(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key.replace('__', '.')}={_text(value)}" for key, value in settings.items()]


def _text(value: Any) -> str:
    """A value in Hydra's grammar."""
    from regimens.study.definition.composer import override_text

    return override_text(str(value) if isinstance(value, Path) else value)


@contextmanager
def _composed(overrides: Sequence[str], *, many: bool) -> Iterator[tuple[Any, Any]]:
    """Hydra's context and configuration for these overrides; what Hydra and the process knew of before is restored.

    The command of the same meaning stands in `sys.argv`, which is what results and trackers tell.
    """
    from hydra import initialize_config_dir
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import HydraContext, RunMode
    from omegaconf.errors import OmegaConfBaseException

    from regimens import catalogue, cli

    typed = ["src/train.py", *(["-m"] if many else []), *overrides]
    catalogue.check_options(overrides, cli.CONF)
    running, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None
    known, before = HydraConfig.instance().cfg, sys.argv
    sys.argv = typed
    try:
        with initialize_config_dir(str(cli.CONF), version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            asked = cli.swept(overrides) if many else list(overrides)
            config = hydra.compose_config("train", asked, RunMode.MULTIRUN if many else RunMode.RUN)
            yield HydraContext(hydra.config_loader, Callbacks(config)), config
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(cli.in_words(error, typed[1:])) from error
    finally:
        sys.argv = before
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = running, known
