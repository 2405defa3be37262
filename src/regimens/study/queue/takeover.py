"""Taking over trials that were trained before, whoever trained them: by another study, or on their own.

Every result below `paths.runs` is known by what it is (`Result.trial`). A list of them in `.trials` spares reading
those that have not changed since.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.files import write_text
from regimens.core.hashing import digest
from regimens.core.result import FILE_NAME, SET_ASIDE, Result, aside, read, write
from regimens.study.definition.study import Cell
from regimens.study.queue.trial_files import TrialFiles
from regimens.trial.artifacts import save_config
from regimens.trial.identity import Identity
from regimens.trial.regimen import regimen_of, told

#: a trial of a study: cell, phase, number, and what it is trained with
Asked = tuple[Cell, str, int, dict[str, Any]]

LIST = ".trials"
ENGINES = ("eager", "compiled", "fleet")
# What a trial leaves, beside its configuration and result; other files in its directory belong to its place there.
FILES = ("final.safetensors", "best.safetensors", "inputs.safetensors")
TAKEN = ("completed", "diverged")  # what ended otherwise may end better when it is tried again


@dataclass
class KnownTrials:
    """What has been trained below `runs`: content -> (code, directory relative to `runs`)."""

    runs: Path
    found: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    @classmethod
    def below(cls, runs: Path) -> KnownTrials:
        """All results there; those that are not in the list yet are read and added to it."""
        listed = cls._listed(runs)
        entries = {}
        for place, changed in _results(runs):
            entry = listed.get(place)
            if entry is None or entry[0] != changed:
                entry = (changed, *_name(runs / place))
            entries[place] = entry
        if entries != listed:
            lines = "".join(json.dumps([place, *entry]) + "\n" for place, entry in sorted(entries.items()))
            write_text(lines, runs / LIST)
        known = cls(runs)
        for place, (_, content, code) in sorted(entries.items()):
            if content:
                known.found.setdefault(content, []).append((code, place))
        return known

    @staticmethod
    def _listed(runs: Path) -> dict[str, tuple[int, str, str]]:
        try:
            lines = (runs / LIST).read_text().splitlines()
            return {place: (changed, content, code) for place, changed, content, code in map(json.loads, lines)}
        except (OSError, ValueError):
            return {}  # it is only a list of what is there

    def find(self, identity: Identity, *, any_code: bool) -> Iterator[Path]:
        """The directories of results of this trial, the same code's first."""
        same = [place for code, place in self.found.get(identity.content, []) if code == identity.code]
        others = [place for code, place in self.found.get(identity.content, []) if code != identity.code]
        yield from (self.runs / place for place in [*same, *(others if any_code else [])])

    def of_other_code(self, identity: Identity) -> tuple[str, str] | None:
        """(code, directory relative to `runs`) of this trial where only other code has trained it."""
        found = self.found.get(identity.content, [])
        return found[0] if found and all(code != identity.code for code, _ in found) else None


def take_over(files: TrialFiles, known: KnownTrials) -> Counter[str]:
    """Give every trial of a study that has no result the one that it has elsewhere; from which directory how many."""
    taken: Counter[str] = Counter()
    for cell, phase, number in files.study.slots:
        values = files.values(cell, phase, number)
        if values is None or files.read(cell, phase, number) is not None:
            continue
        slot, place = (cell, phase, number, values), files.place(cell, phase, number)
        for source in known.find(files.identity(*slot), any_code=files.study.any_code):
            if source != place and _copy(source, files, slot):
                taken[origin_of(source.relative_to(known.runs))] += 1
                break
    return taken


def of_a_twin(files: TrialFiles, slot: Asked) -> Result | None:
    """The result of a trial whose like this study has finished, taken over; None where it has to be trained.

    Cells meet where their techniques come to nothing: with l1=0 and with l2=0 one network is trained.
    """
    cell, phase, number, _ = slot
    seed = files.seed(cell, phase, number)
    for other in files.study.slots:
        alike = other[0] is not cell and (other[0].data, other[0].engine, other[1]) == (cell.data, cell.engine, phase)
        if not alike or files.seed(*other) != seed or not (files.place(*other) / FILE_NAME).exists():
            continue
        asked = files.values(*other)
        same = asked is not None and files.identity(*other, asked) == files.identity(*slot)
        if same and _copy(files.place(*other), files, slot):
            return files.read(cell, phase, number)
    return None


def origin_of(place: Path | str) -> str:
    """How people are told of where a trial lies, by its directory relative to `runs`: its study, or single runs."""
    parts = Path(place).parts
    return parts[0] if len(parts) > 1 else "single runs"


def _copy(source: Path, files: TrialFiles, slot: Asked) -> bool:
    """Copy a finished trial into a place of this study; False where its result is not what it should be."""
    try:
        result = read(source)
    except (UserError, OSError):
        return False
    if result.status not in TAKEN or not files.counts(result, files.identity(*slot)):
        return False
    place, config = files.place(*slot[:3]), files.config(*slot)
    set_aside(place)
    place.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            _link(source / name, place / name)
    save_config(config, place)
    origin = (result.study or {}).get("taken_from") or os.path.relpath(source, files.directory.parent)
    write(_as_ours(result, files, slot, config, origin), place)
    return True


def _as_ours(result: Result, files: TrialFiles, slot: Asked, config: dict[str, Any], origin: str) -> Result:
    """A result as that of a trial of this study, under this trial's names; where it was trained stays with it."""
    cell, _, _, values = slot
    regimen = regimen_of(config)
    return replace(
        result,
        choices=told(files.choices(cell, values), config),
        regimen=regimen,
        regimen_hash=digest(regimen),
        study={**files.about(*slot), "taken_from": origin},
    )


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system has no such thing; files are only replaced."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def set_aside(place: Path) -> Path | None:
    """Rename a directory that holds another trial than it has to; returns where it went, None where there was none."""
    if not place.exists() or not any(place.iterdir()):
        return None
    return place.rename(aside(place))


def _results(runs: Path) -> Iterator[tuple[str, int]]:
    """(directory relative to `runs`, time of change in ns) of every result that has not been set aside."""
    for folder, names, files in os.walk(runs):
        names[:] = [name for name in names if SET_ASIDE not in name and name not in ("locks", "workers")]
        if FILE_NAME in files:
            yield os.path.relpath(folder, runs), os.stat(os.path.join(folder, FILE_NAME)).st_mtime_ns  # noqa: PTH116, PTH118


def _name(directory: Path) -> tuple[str, str]:
    """What a result is: (content, code), empty where it does not say or nobody would take it over."""
    try:
        result = read(directory)
        named = (result.trial or {}) if result.status in TAKEN else {}
    except (UserError, OSError):
        named = {}
    return named.get("content", ""), named.get("code", "")


def keep_engines(files: TrialFiles, known: KnownTrials) -> None:
    """Let a study that leaves the choice to us use, cell by cell, the engine that most of its trials were trained with.

    A larger study might be given another engine than the smaller one before it, whose trials it could not take over.
    """
    for cell in files.study.cells:
        if cell.engine and files.leaves_engine_open(cell):
            chosen, counts = cell.engine, Counter[str]()
            for engine in dict.fromkeys((chosen, *ENGINES)):
                cell.engine = engine
                counts[engine] = sum(files.identity(*slot).content in known.found for slot in first_slots(files, cell))
            best = counts.most_common(1)[0]
            cell.engine = best[0] if best[1] else chosen
    files.study.identity["engines"] = {cell.label: cell.engine for cell in files.study.cells}


def first_slots(files: TrialFiles, cell: Cell) -> Iterator[tuple[Cell, str, int, dict[str, Any]]]:
    """The trials of a cell's first round whose values are known, with them."""
    for phase in files.study.phases(cell):
        for number in range(files.study.count(cell, phase)):
            values = files.values(cell, phase, number)
            if values is not None:
                yield cell, phase, number, values
