"""Opening a study: its definition settled, its storage opened or rebuilt, its command known to live."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from regimens.core.errors import UserError
from regimens.core.files import write_text
from regimens.core.locks import held, is_held
from regimens.study.definition.identity import changes
from regimens.study.definition.settings import SEARCH
from regimens.study.definition.study import UNNAMED, Study
from regimens.study.queue.other_code import changed_code
from regimens.study.queue.sessions import busy
from regimens.study.queue.trial_files import SOURCES, TrialFiles

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

PLACE = "locks/place"  # the name of the directory that holds a study's trials, whatever each machine calls it
STORAGE_VARIABLE = "REGIMENS_STORAGE"  # a URL may hold a password, so workers get it from here and not from a file


def settle_definition(study: Study, directory: Path) -> None:
    """Write the definition down; refuse another one under the same explicit name.

    The rounds so far are replayed from the results, so that what was removed or asked for anew counts. Where another
    command works on the study, its state is taken over instead.
    """
    if study.explicit_name:
        refuse_another(study, directory)
    with held(directory / "locks" / "definition.lock"):
        if (directory / "study.json").exists() and busy(directory):
            study.adopt(Study.load(directory / "study.json"))
        else:
            if study.mode == SEARCH and not (directory / SOURCES).exists():
                study.source.copy_to(directory / SOURCES)
            study.save(directory)
        if not (directory / PLACE).exists():
            write_text(f"{uuid.uuid4().hex} {socket.gethostname()}:{directory}\n", directory / PLACE)


def refuse_another(study: Study, directory: Path) -> None:
    """Raises UserError where a study of this explicit name has another definition."""
    for old in earlier(study, directory):
        if old.explicit_name:
            lines = changes(old.identity, study.identity)
            if old.code != study.code:
                lines = [line for line in lines if not line.startswith("code:")]
                changed = f"trained by {changed_code(old, study)}"
                lines.insert(0, f"code: {changed}; under another name study.code=any takes its trials over")
            shown = "\n  ".join(lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else []))
            raise UserError(
                f"study.name={study.name}: {directory.parent / old.key} holds a study of this name with another "
                f"definition; choose another name, or undo these changes (old -> new):\n  {shown}"
            )


def earlier(study: Study, directory: Path) -> list[Study]:
    """The other studies of this name beside a study's directory, the latest first."""
    files = list(directory.parent.glob(f"{study.name}-{'[0-9a-f]' * 8}/study.json"))
    found = []
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            old = Study.load(path)
        except (OSError, ValueError, KeyError, TypeError):  # of an earlier version
            continue
        if old.id != study.id:
            found.append(old)
    return found


def compared_with_earlier(study: Study, directory: Path) -> str:
    """What sets a new study apart from the latest of its name, the code aside; empty where there is none."""
    others = [] if study.name == UNNAMED or (directory / "study.json").exists() else earlier(study, directory)
    if not others:
        return ""
    old = others[0]
    said = [line for line in changes(old.identity, study.identity) if not line.startswith("code:")]
    lines = [line for line in said if not line.startswith(("regimens.", "engines.", "ranges."))] or said
    if not lines:
        return ""
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    return f"{old.key} differs in {'; '.join(lines[:3])}{more}"


def recover(study: Study, directory: Path) -> None:
    """Set a damaged journal aside, or delete the study in its database; the queue is rebuilt from the result files."""
    from regimens.study.queue.storage import forget, open_storage, set_aside

    for lock in (directory / "locks").glob("session-*.lock"):
        if is_held(lock):
            raise UserError(f"study.recover: a command still works on {study.key}; stop it first")
    if url := os.environ.get(STORAGE_VARIABLE):
        forget(open_storage(url, directory), f"{study.key}/")
        print(f"{study.name}: deleted in the database; it is rebuilt from the finished trials' result.json")
    elif aside := set_aside(directory):
        print(f"{study.name}: the journal went to {aside.name}; it is rebuilt from the finished trials' result.json")


def use_storage(url: str | None) -> None:
    """Tell this process and the workers that it starts where the storage is; None is the journal."""
    os.environ.pop(STORAGE_VARIABLE, None)
    if url:
        os.environ[STORAGE_VARIABLE] = url


def open_queue(
    directory: Path, *, session: str = "alone", files: TrialFiles | None = None, storage_wait: float = 0
) -> TrialQueue:
    """The queue of the study in `directory`; without its `files`, of the one that `study.json` there describes.

    Its workers wait `storage_wait` seconds for a storage that is away.
    """
    from regimens.study.queue.storage import open_storage
    from regimens.study.queue.trial_queue import TrialQueue

    files = files or TrialFiles(Study.load(directory / "study.json"), directory)
    storage = open_storage(os.environ.get(STORAGE_VARIABLE), directory)
    place = (directory / PLACE).read_text().strip()
    return TrialQueue(files, storage, place, session, storage_wait)
