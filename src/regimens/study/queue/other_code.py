"""Trials that other code has trained: said before anything is trained, counted in the tables that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.result import Result, read
from regimens.core.terminal import counted
from regimens.study.definition.study import Study
from regimens.study.queue.takeover import KnownTrials, origin_of
from regimens.study.queue.trial_files import TrialFiles


def trained_by_other_code(files: TrialFiles, known: KnownTrials) -> list[str]:
    """What other code has trained of the trials that a study asks for so far: a line for each place and code.

    Each says where they are, by which revision they were trained, what has changed since, and what becomes of them.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    for cell, phase, number in files.study.slots:
        values = files.values(cell, phase, number)
        if values is not None and (other := known.of_other_code(files.identity(cell, phase, number, values))):
            code, place = other
            found.setdefault((origin_of(place), code), []).append(known.runs / place)
    become = "taken over as they are (study.code=any)"
    if not files.study.any_code:
        become = "trained anew; study.code=any takes them over"
    return [
        f"{origin}: {counted(len(places), 'trial')} of this study, by other code "
        f"({_told(known.runs / origin, code, places[0], files.study)}), {become}"
        for (origin, code), places in found.items()
    ]


def _told(directory: Path, code: str, place: Path, study: Study) -> str:
    """Which revision trained a trial, and what has changed since as far as its study wrote that down."""
    try:
        old = Study.load(directory / "study.json")
    except (OSError, ValueError, KeyError, TypeError):  # a run of its own, or of an earlier version
        old = None
    if old is not None and old.code == code:
        return changed_code(old, study)
    try:
        return f"revision {revision_of(read(place))}"
    except (UserError, OSError):
        return "unknown revision"


def changed_code(old: Study, new: Study) -> str:
    """Which revision trained an earlier study, and which files that move numbers have changed since."""
    names = sorted(
        name for name in old.sources.keys() | new.sources.keys() if old.sources.get(name) != new.sources.get(name)
    )
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    revision = f"revision {old.revision[:9]}" if old.revision else "unknown revision"
    return f"{revision}; changed: {', '.join(names[:4])}{more}" if names else f"{revision}; another version of torch"


def of_other_code(study: Study, results: Iterable[Result]) -> dict[str, int]:
    """How many results are of other code than this command's, by the revision that trained them."""
    return dict(Counter(revision_of(result) for result in results if is_other(study, result)))


def is_other(study: Study, result: Result) -> bool:
    """Whether a result was trained by other code than this command's."""
    return (result.trial or {}).get("code") != study.code


def revision_of(result: Result) -> str:
    """The revision that trained a result, short, as far as it says."""
    code: Mapping[str, Any] = result.provenance.get("code") or {}
    dirty = " with uncommitted changes" if code.get("dirty") else ""
    return f"{str(code['revision'])[:9]}{dirty}" if code.get("revision") else "unknown"
