"""`python src/train.py --again DIRECTORY`: train that trial again, and compare the results bit for bit.

The directory's own `config.yaml` is trained; only paths and tracking are this command's, so the directory may come from
another clone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.commands import one_run
from regimens.commands.again_fleet import runner
from regimens.core.errors import UserError, nearest
from regimens.core.hashing import digest
from regimens.core.result import BROKEN, FILE_NAME, Result, finite, flatten, read
from regimens.study.definition.sweeps import parse

if TYPE_CHECKING:
    from omegaconf import DictConfig

FLAG = "--again"
# Taken from this command instead of the directory's configuration.
HERE = ("paths", "tracking", "name")
#: paths of data, which are not part of a regimen
DATA_PLACES = ("dir", "cache")


def again_from(arguments: Sequence[str], conf: Path) -> int:
    """Train the trial in the directory after `--again` anew; 0 where the result is the same bit for bit, else 1.

    Overrides may follow: of places and tracking they change nothing, and of the regimen they make it another trial,
    which is said. Raises UserError.
    """
    directory, overrides = read_arguments(arguments)
    there = read(directory)
    if there.status in BROKEN or there.status == "pruned":
        raise UserError(
            f"{directory}: its trial ended as {there.status}, so there is nothing to train to its end again"
        )
    cfg, choices = configure(directory, there, overrides, conf)
    config = one_run.checked(cfg)
    changes = changed(there, config, choices)
    if not changes:
        check_data(directory, there, config)
    wanted, named = target(config, overrides, directory)
    result, place = one_run.train(cfg, config, wanted, choices, named=named, run=runner(directory, there, cfg))
    if changes:
        print(f"again: not the trial of {directory}, but a variation: {'; '.join(changes)}")
        return 0 if result.status == "completed" else 1
    from regimens.commands.bits import compare

    equal, lines = compare(there, result, directory, place)
    for line in lines:
        print(f"again: {line}")
    return 0 if equal else 1


def read_arguments(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The directory and the overrides of a command line with `--again DIRECTORY` (or `--again=DIRECTORY`)."""
    rest = list(arguments)
    at = next(i for i, one in enumerate(rest) if one.partition("=")[0] == FLAG)
    named = rest.pop(at).partition("=")[2] or (rest.pop(at) if at < len(rest) else "")
    if not named or ("=" in Path(named).name and not Path(named).exists()):
        raise UserError(f"{FLAG}: the directory of a trial has to follow: {FLAG} runs/my-run")
    for one in rest:
        if one.startswith("-") or ("=" not in one and not one.startswith("~")):
            raise UserError(f"{one}: with {FLAG} only a directory and overrides such as tracking=none can be given")
    directory = Path(named)
    directory = directory.parent if directory.name == FILE_NAME else directory
    for name in (FILE_NAME, "config.yaml"):
        if not (directory / name).is_file():
            raise UserError(f"{FLAG} {directory}: no {name} there; name the directory of a finished trial")
    return directory, rest


def configure(
    directory: Path, there: Result, overrides: Sequence[str], conf: Path
) -> tuple[DictConfig, dict[str, str]]:
    """The trial's own configuration with this command's places and overrides; and the option of each group."""
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        own: Any = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"), resolve=True)
    except (OSError, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UserError(f"{directory}/config.yaml: {str(error).splitlines()[0]}") from error
    if not isinstance(own, dict):
        raise UserError(f"{directory}/config.yaml: not a configuration")
    check_own(directory, there, own)
    parsed = parse(overrides)
    for one in parsed:
        if one.is_sweep_override():
            raise UserError(f"{one.input_line}: {FLAG} trains one trial, without a sweep")
    values = [one for one in parsed if _is_regimen_value(one.key_or_group, own)]
    rest = [one for one in parsed if one not in values]
    base, chosen = configuration_of([one.input_line or "" for one in rest], there, conf)
    groups = {one.key_or_group for one in rest if one.key_or_group in there.choices}
    taken = {*HERE, *groups, *(key for key in base if key not in own)}
    cfg = OmegaConf.create({**own, **{key: base[key] for key in taken if key in base}})
    for key in DATA_PLACES:
        if "data" not in groups and key in own["data"] and key in base["data"]:
            cfg.data[key] = base["data"][key]
    OmegaConf.set_struct(cfg, True)
    for one in values:
        _set(cfg, one)
    with open_dict(cfg):
        if not any(one.key_or_group == "name" for one in rest):
            cfg.name = f"again-{base['name']}"
    return cfg, {**there.choices, **{group: chosen[group] for group in groups}}


def configuration_of(overrides: list[str], there: Result, conf: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration that this command composes: plain values, and the option of each group."""
    from regimens.study.definition.composer import Composer, Source

    data = there.choices.get("data", "?")
    composer = Composer(Source("train", (f"file://{conf}",)))
    known = data in composer.options("data")
    composed = composer.compose(([f"data={data}"] if known else []) + overrides)
    return composed.plain, dict(composed.choices)


def check_own(directory: Path, there: Result, own: Mapping[str, Any]) -> None:
    """Raise UserError where a directory's configuration is not the one that trained its result."""
    from regimens.trial.regimen import regimen_of

    if not isinstance(own.get("data"), Mapping):
        raise UserError(f"{directory}/config.yaml: not the configuration of a trial")
    before, now = flatten(there.regimen), flatten(finite(regimen_of(own)))
    wrong = [key for key in before if now.get(key) != before[key]]
    if wrong or own.get("seed") != there.seed:
        what = (
            f"{wrong[0]}={now.get(wrong[0])}, trained with {before[wrong[0]]}" if wrong else f"seed={own.get('seed')}"
        )
        raise UserError(f"{directory}: its config.yaml is not what its result was trained with: {what}")


def changed(there: Result, config: Mapping[str, Any], choices: Mapping[str, str]) -> list[str]:
    """What differs between a configuration and the trial in a directory, as text."""
    from regimens.trial.regimen import regimen_of
    from regimens.trial.run_directory import Run, differences

    run = Run(int(config["seed"]), finite(regimen_of(config)), digest(regimen_of(config)), choices)
    return [f"{key} {was} -> {now}" for key, was, now in differences(there, run)]


def check_data(directory: Path, there: Result, config: Mapping[str, Any]) -> None:
    """Raise UserError, before training, where the data differ from those of the trial."""
    from regimens import trial

    known = (there.provenance.get("data") or {}).get("hash")
    found, _ = trial.look_at_data(config)
    if known and found != known:
        raise UserError(
            f"{directory}: trained on data {known[:12]}, and those of this configuration are {found[:12]}; name where "
            "the former lie (data.path=..., data.dir=...)"
        )


def target(config: Mapping[str, Any], overrides: Sequence[str], directory: Path) -> tuple[Path, bool]:
    """The directory of the new run, and whether the command names it; never that of the old run."""
    from omegaconf import OmegaConf

    place = Path(config["paths"]["runs"]) / str(config["name"])
    given = [str(one.value()) for one in parse(overrides) if one.get_key_element() == "hydra.run.dir"]
    if given:
        place = Path(str(OmegaConf.create({**config, "place": given[-1]}).place))
    old, new = directory.resolve(), place.resolve()
    if new.is_relative_to(old) or old.is_relative_to(new):
        raise UserError(f"{place}: the trial that is to be trained again lies there; take another name=")
    return place, bool(given) or any(one.startswith("name=") for one in overrides)


def _is_regimen_value(key: str, own: Mapping[str, Any]) -> bool:
    """Whether a key sets a value of the regimen, rather than an option, a path or the name of a run."""
    first = key.split(".")[0]
    return first in own and first not in HERE and ("." in key or not isinstance(own[first], Mapping))


def _set(cfg: DictConfig, override: Any) -> None:
    """Set one value of the trial's configuration, which has to be there."""
    from omegaconf import OmegaConf

    from regimens.study.definition.cell_ranges import MISSING, value_at

    key = override.key_or_group
    if value_at(cfg, key) is MISSING or override.is_delete():
        group = key.rpartition(".")[0]
        node = OmegaConf.select(cfg, group) if group else cfg
        known = [f"{group}.{name!s}".lstrip(".") for name in node] if OmegaConf.is_dict(node) else []
        raise UserError(f"{override.input_line}: the trial has no such value{nearest(key, known)}")
    OmegaConf.update(cfg, key, override.value(), merge=False)
