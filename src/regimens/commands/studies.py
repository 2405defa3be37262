"""`python src/train.py status`: the studies below `runs`, how far each is, who leads; `--forget NAME` deletes one."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError, nearest
from regimens.core.result import FILE_NAME
from regimens.core.terminal import counted
from regimens.report.tables import read_study
from regimens.study.definition.study import Study
from regimens.study.queue.sessions import busy
from regimens.study.queue.standing import Standings
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.results.earlier import ENDINGS, read_about

FORGET, YES = "--forget", "--yes"
DEFINITION = "study.json"


@dataclass(frozen=True)
class Progress:
    """How far a study is. `state`: running, finished, or stopped, which is to say that the same command goes on."""

    study: Study
    state: str
    done: int
    said: str

    @property
    def command(self) -> str:
        """What resumes it; for a finished one, what prints its table again."""
        return shlex.join(["python", "src/train.py", "-m", *self.study.asked])

    @property
    def lines(self) -> list[str]:
        """What is printed of it."""
        title = f"{self.state:<9} {self.study.key}  {self.done}/{counted(self.study.expected, 'trial')}"
        return [title, *([f"    {self.said}"] if self.said else []), f"    {self.command}"]


def status(runs: Path, results: Path) -> Iterator[str]:
    """Lines about every study below `runs`: those at work first, then by name."""
    found = [progress(place, results) for place in sorted(runs.glob(f"*/{DEFINITION}"))]
    if not found:
        yield f"{runs}: no studies yet; python src/train.py --info shows what can be asked"
    order = {"running": 0, "stopped": 1, "finished": 2}
    known = sorted(
        (one for one in found if not isinstance(one, str)), key=lambda one: (order[one.state], one.study.key)
    )
    for one in known:
        yield from one.lines
    yield from (one for one in found if isinstance(one, str))


def progress(definition: Path, results: Path) -> Progress | str:
    """How far the study of this `study.json` is; a line where it is of an earlier version, or damaged."""
    from regimens.commands.outcome import sentence

    directory = definition.parent
    try:
        study = Study.load(definition)
    except (OSError, ValueError, KeyError, TypeError):
        return f"unknown   {directory.name}: its study.json is of an earlier version, or damaged"
    files = TrialFiles(study, directory)
    places = [files.place(*slot) for slot in study.slots]
    done = sum((place / FILE_NAME).exists() for place in places)
    table = results / f"{study.title}.json"
    if busy(directory):
        state = "running"
    else:
        own = read_about(table).get("id") == study.id
        state = "finished" if study.complete and done == len(places) and own else "stopped"
    if state == "finished":
        return Progress(study, state, done, sentence(read_study(table)))
    results_so_far = [result for result in files.everything() if result is not None]
    return Progress(study, state, done, Standings.of(study, results_so_far).sentence)


def forget(name: str, runs: Path, results: Path, *, sure: bool) -> str:
    """Delete a study's directory and tables, after asking unless `sure`; what was done, in a line.

    Raises:
        UserError: there is no such study or several, a command works on it, or nobody can be asked.
    """
    directory = find(name, runs)
    if busy(directory):
        raise UserError(f"{FORGET} {name}: a command still works on {directory}; stop it first")
    about = {path: read_about(path) for path in sorted(results.glob("*.json"))}
    tables = [path for path, told in about.items() if f"{told.get('name')}-{told.get('id')}" == directory.name]
    files = [*directory.rglob(FILE_NAME)]
    what = f"{directory} ({counted(len(files), 'trial')}){''.join(f' and {path}' for path in tables)}"
    if not sure:
        if not sys.stdin.isatty():
            raise UserError(f"{FORGET} {name}: would delete {what}; add {YES} to do so without being asked")
        if input(f"delete {what}? [y/N] ").strip().lower() not in ("y", "yes"):
            return "nothing was deleted"
    shutil.rmtree(directory)
    for path in tables:
        for ending in ENDINGS:
            path.with_name(f"{path.stem}{ending}").unlink(missing_ok=True)
    return f"deleted {what}; MLflow's runs of it, and its queue in a database, stay where they are"


def find(name: str, runs: Path) -> Path:
    """The directory of a study, by its key, or by its name where only one study has that; raises UserError."""
    known = {path.parent.name: path.parent for path in sorted(runs.glob(f"*/{DEFINITION}"))}
    if name in known:
        return known[name]
    named = [key for key in known if key.rpartition("-")[0] == name]
    if len(named) == 1:
        return known[named[0]]
    if named:
        raise UserError(f"{FORGET} {name}: there are {len(named)} of that name: {', '.join(named)}")
    names = {key.rpartition("-")[0] for key in known}
    raise UserError(f"{FORGET} {name}: no such study below {runs}{nearest(name, names) if names else ''}")


def places_of(config: Mapping[str, Any]) -> tuple[Path, Path]:
    """Where the studies of a configuration and their tables lie."""
    return Path(config["paths"]["runs"]), Path(config["paths"]["results"])
