"""A GPU's fleet's trial once more: its last bits depend on the others of its fleet, so it is trained with them again.

On a processor they do not: there a fleet of one gives the same bits.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.commands.one_run import Runner
from regimens.core import terminal
from regimens.core.result import Result
from regimens.trial.engine_choice import kind_of_device

if TYPE_CHECKING:
    from omegaconf import DictConfig


def runner(directory: Path, there: Result, cfg: DictConfig) -> Runner | None:
    """What trains it, if it was in a fleet on a GPU: its fleet once more. None for any other trial."""
    in_fleet = there.provenance.get("engine") == "fleet" and str(cfg.engine) == "fleet"
    if not in_fleet or kind_of_device(cfg) == "cpu":
        return None
    return partial(run_in_fleet, there.provenance["fleet"], directory)


def run_in_fleet(size: int, old: Path, cfg: DictConfig, place: Path, *, choices: Any, on_epoch: Any) -> Result:
    """Train `cfg` into `place` as the member of a fleet that the trial in `old` was."""
    from regimens import trial
    from regimens.trial.task import Task

    index, fleet = fleet_of(old, cfg, size)
    tasks = [Task(one, None, choices) for one in fleet]
    tasks[index] = Task(cfg, place, choices, None, on_epoch)
    outcome = trial.run_fleet(tasks)[index]
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None
    return outcome


def fleet_of(old: Path, cfg: DictConfig, size: int) -> tuple[int, list[DictConfig]]:
    """The fleet of the trial in `old`, from its study's directory, and its place there.

    Where that is not to be had, as many trials of its shape, which differ in their seed.
    """
    from omegaconf import OmegaConf

    for slots in fleets_around(old):
        places = [place.resolve() for place in slots]
        if old.resolve() in places and all((place / "config.yaml").is_file() for place in places):
            members = [OmegaConf.create(OmegaConf.load(place / "config.yaml")) for place in places]
            here = [OmegaConf.merge(member, {"paths": cfg.paths, "data": cfg.data}) for member in members]
            return places.index(old.resolve()), here  # type: ignore[return-value]
    terminal.note(f"{old}: the {size - 1} trials of its fleet are not there; others of its shape are trained beside it")
    copies = [OmegaConf.merge(cfg, {"seed": int(cfg.seed) + number}) for number in range(size)]
    return 0, copies  # type: ignore[return-value]


def fleets_around(old: Path) -> list[list[Path]]:
    """The directories of each fleet's trials in the study that the trial in `old` lies in."""
    from regimens.study.definition.study import Study

    home = old.resolve().parent.parent
    if not (home / "study.json").is_file():
        return []
    study = Study.load(home / "study.json")
    places = {cell.label: home / cell.directory for cell in study.cells}
    return [[places[label] / f"{phase}-{number}" for label, phase, number in slots] for slots in study.fleets]
