"""The config groups and their options, read from the text of `conf/`, so that `--help` needs no slow import."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from regimens.core.errors import UserError, nearest

USAGE = """\
Train one regimen:   python src/train.py optimizer=nadam scheduler=exp epochs=5
Compare two:         python src/train.py -m optimizer=adam,nadam scheduler=exp
Ask a question:      python src/train.py -m study=optimizers
Discover:            python src/train.py --info        (experiments and studies, what they ask and how long they take)
Train a trial again: python src/train.py --again runs/...   (from its directory: the same bits?)
How far studies are: python src/train.py status            (--forget NAME deletes one, after asking)
Deliver to MLflow:   python src/train.py sync [tracking.uri=...]    (results that it has not seen, after an outage)
A project of your own: python -m regimens new mylab              (studies and data in a repository of their own)
Look before running: python src/train.py --cfg job     Completion: eval "$(python src/train.py -sc install=bash)"
"""


# With these, there may be more to choose from than `conf/` has.
ELSEWHERE = ("hydra.searchpath=", "--config-", "-cd", "-cn", "-cp")


def groups(conf: Path) -> list[str]:
    """The names of the config groups, Hydra's own aside, in the order of train.yaml's defaults."""
    text = (conf / "train.yaml").read_text()
    found = re.findall(r"^ {2}- (?:optional )?(\w+):", text, re.MULTILINE)
    return [name for name in found if (conf / name).is_dir()]


def own(conf: Path) -> Path | None:
    """The folder `conf/` of a project of one's own: that of the working directory, where it is another than `conf`."""
    here = Path.cwd() / "conf"
    return here if here.is_dir() and here.resolve() != conf.resolve() else None


def files(conf: Path, group: str) -> list[Path]:
    """The file of each option of a group, those of a project of one's own after `conf`'s, which come first."""
    found = {path.stem: path for place in (own(conf), conf) if place for path in (place / group).glob("*.yaml")}
    return [found[name] for name in sorted(found)]


def options(conf: Path, group: str) -> dict[str, str]:
    """Each option of a group with the one-line description that opens its file."""
    return {path.stem: about(path) for path in files(conf, group)}


def about(path: Path) -> str:
    """The first comment of a YAML file that is no directive."""
    for line in path.read_text().splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return line.lstrip("# ").strip()
    return ""


def help_text(conf: Path) -> str:
    """The groups and their options, a line each, and the top-level keys with their defaults."""
    lines = [USAGE]
    for group in groups(conf):
        lines.append(f"{group}:")
        found = options(conf, group)
        width = max((len(name) for name in found), default=0)
        lines += [f"  {name:<{width}}  {description}" for name, description in found.items()]
    keys = re.findall(r"^(\w+): (.*)$", (conf / "train.yaml").read_text(), re.MULTILINE)
    lines += ["", "keys (override with key=value):", *(f"  {key}={value}" for key, value in keys)]
    return "\n".join(lines)


def questions(conf: Path) -> str:
    """The experiments and studies with all that their header comments say: question, command, time, known number."""
    lines: list[str] = []
    for group in ("experiment", "study"):
        lines.append(f"{group}:")
        for path in files(conf, group):
            lines += [f"  {path.stem}", *(f"      {line}" for line in header(path))]
    return "\n".join(lines)


def header(path: Path) -> list[str]:
    """The comment lines that open a YAML file."""
    found = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            found.append(line.lstrip("# ").rstrip())
    return found


def check_options(arguments: Sequence[str], conf: Path) -> None:
    """Raise UserError for a key or an option that does not exist but is near one that does, and names that."""
    if any(argument.startswith(ELSEWHERE) for argument in arguments):
        return
    for argument in arguments:
        _check_key(argument, conf)
        quoted = re.fullmatch(r"\+{0,2}([\w/]+)=(['\"])([\w, ./-]*,[\w, ./-]*)\2", argument)
        if quoted and (conf / quoted[1]).is_dir():
            plain = f"{quoted[1]}={quoted[3].replace(' ', '')}"
            raise UserError(f"{argument}: in quotes it is the name of one option; to compare several, write -m {plain}")
        match = re.fullmatch(r"\+{0,2}([\w/]+)=([\w,./-]+)", argument)
        if match is None or match[1].startswith("hydra/") or not (conf / match[1]).is_dir():
            continue
        known = options(conf, match[1])
        for option in match[2].split(","):
            if option != "null" and option.removesuffix(".yaml") not in known:
                raise UserError(f"{match[1]}={option}: no such option{nearest(option, known)}")


def _check_key(argument: str, conf: Path) -> None:
    if re.match(r"[+~]*=", argument):
        raise UserError(f"{argument}: no key before the =")
    match = re.match(r"(\w+)=", argument)
    if match is None:
        return
    groups = {path.name for path in conf.iterdir() if path.is_dir()}
    known = groups | set(re.findall(r"^(\w+):", (conf / "train.yaml").read_text(), re.MULTILINE))
    if match[1] not in known and (close := difflib.get_close_matches(match[1], sorted(known), 1)):
        raise UserError(f"{argument}: no such key; did you mean {close[0]}?")
