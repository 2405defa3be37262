"""One trial of the command line: choose its directory, train, print the summary, and log it in the tracker."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core import terminal
from regimens.core.errors import UserError
from regimens.core.hashing import digest
from regimens.core.result import FILE_NAME, Result, finite, read, write

if TYPE_CHECKING:
    from omegaconf import DictConfig

#: trains a configuration into a directory: `regimens.trial.run`, or a substitute
Runner = Callable[..., Result]

CLOCK = "${now:"  # in a default name, which no one chose


def single(cfg: "DictConfig") -> int:
    """Train one regimen in Hydra's run directory; 1 where it did not complete. Raises UserError."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    hydra = HydraConfig.get()
    config = checked(cfg)
    directory = Path(hydra.runtime.output_dir)
    unnamed = CLOCK in str(OmegaConf.to_container(cfg, resolve=False)["name"])  # type: ignore[call-overload, index]
    named = not unnamed or any(one.startswith("hydra.run.dir=") for one in hydra.overrides.hydra)
    sources = [Path(one.path) for one in hydra.runtime.config_sources if one.schema == "file"]
    choices = {**choices_beside(sources, config), **dict(hydra.runtime.choices)}
    result, _ = train(cfg, config, directory, choices, named=named)
    return 0 if result.status == "completed" else 1


def checked(cfg: "DictConfig") -> dict[str, Any]:
    """The plain configuration of a trial; raises UserError where a group or a value is missing."""
    from omegaconf.errors import OmegaConfBaseException

    from regimens.trial.regimen import plain
    from regimens.trial.settings import check_groups, read_settings

    try:
        config = plain(cfg)
    except OmegaConfBaseException as error:
        raise UserError(str(error).splitlines()[0]) from error
    check_groups(config)
    read_settings(config)
    return config


def choices_beside(folders: list[Path], config: Mapping[str, Any]) -> dict[str, str]:
    """The option of each group, from the result beside a `config.yaml` that is this configuration (--config-dir)."""
    from regimens.trial.regimen import regimen_of

    for folder in folders:
        if (folder / FILE_NAME).exists():
            there = read(folder)
            mine = finite(regimen_of(config))
            return {group: one for group, one in there.choices.items() if mine.get(group) == there.regimen.get(group)}
    return {}


def train(
    cfg: "DictConfig",
    config: Mapping[str, Any],
    directory: Path,
    choices: Mapping[str, str],
    *,
    named: bool,
    run: Runner | None = None,
) -> tuple[Result, Path]:
    """Train a checked configuration and print its summary; the result and its directory."""
    from omegaconf import OmegaConf, open_dict

    from regimens import trial
    from regimens.core.provenance import training_code
    from regimens.trial.identity import content_of
    from regimens.trial.regimen import regimen_of, told
    from regimens.trial.run_directory import Run, claimed
    from regimens.trial.settings import ENGINES, read_settings
    from regimens.trial.task import given_advice

    for sentence in given_advice(read_settings(config), choices, config):
        terminal.advise(sentence)
    data, _ = trial.look_at_data(config)  # prepares them, and prints warnings about them
    regimen = regimen_of(config)
    names = frozenset(content_of(config, data, engine) for engine in ENGINES)
    asked = Run(int(config["seed"]), finite(regimen), digest(regimen), told(choices, config), names, training_code())
    with claimed(directory, asked, Path(config["paths"]["runs"]), named=named) as place:
        if (place / FILE_NAME).exists():
            terminal.note(f"{place} holds this regimen with this seed, and is replaced by the same trained anew")
        if place != directory:
            with open_dict(cfg):
                OmegaConf.update(cfg, "name", place.name)
        return _train(cfg, config, place, choices, run), place


def _train(
    cfg: "DictConfig", config: Mapping[str, Any], directory: Path, choices: Mapping[str, str], run: Runner | None
) -> Result:
    from regimens import trial
    from regimens.core.build import make
    from regimens.study.queue.sessions import busy
    from regimens.tracking import delivery
    from regimens.trial.record import described, unfinished

    tracking, runs = make(config["tracking"]), Path(config["paths"]["runs"])

    def show(result: Result) -> str | None:
        run_id = tracking.log(result, directory)
        if tracking.owes(directory):
            delivery.leave(runs)
        return run_id

    try:
        with terminal.progress(config["epochs"]) as on_epoch:
            result = (run or trial.run)(cfg, directory, choices=choices, on_epoch=on_epoch)
    except UserError:
        raise
    except KeyboardInterrupt:
        tracking.log(unfinished(cfg, choices=choices, status="killed"), directory)
        print("interrupted: no result was written; the same command starts again", file=sys.stderr)
        raise
    except Exception as err:
        result = unfinished(cfg, choices=choices, status="failed", error=described(err))
        write(result, directory)
        show(result)
        raise
    run_id = show(result)
    delivery.settle(tracking, runs, busy, print)
    terminal.summary(result, directory, tracking.link(run_id))
    if result.lr_range:
        from regimens.report import lr_range

        terminal.proposals(lr_range.of_run(result, directory)[0])
    return result
