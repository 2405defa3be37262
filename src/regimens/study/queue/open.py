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
from regimens.study.definition.composer import Composer
from regimens.study.definition.identity import differences
from regimens.study.definition.study import Study

if TYPE_CHECKING:
    from regimens.study.queue.trial_queue import TrialQueue

PLACE = "locks/place"  # the name of the directory that holds a study's trials, whatever each machine calls it
STORAGE_VARIABLE = "REGIMENS_STORAGE"  # a URL may hold a password, so workers get it from here and not from a file


def settle_definition(study: Study, directory: Path) -> None:
    """Write the definition down, once; refuse another one under the same explicit name."""
    if study.explicit_name:
        for other in sorted(directory.parent.glob(f"{study.name}-{'[0-9a-f]' * 8}/study.json")):
            old = Study.load(other)
            if old.explicit_name and old.id != study.id:
                lines = differences(old.identity, study.identity)
                shown = "\n  ".join(lines[:20] + ([f"and {len(lines) - 20} more"] if len(lines) > 20 else []))
                raise UserError(
                    f"study.name={study.name}: {other.parent} holds a study of this name with another definition; "
                    f"choose another name, or undo these changes (old -> new):\n  {shown}"
                )
    with held(directory / "locks" / "definition.lock"):
        if not (directory / "study.json").exists():
            study.save(directory)
        else:
            old = Study.load(directory / "study.json")  # with the lists drawn when it was created
            study.cells, study.fleets, study.alone = old.cells, old.fleets, old.alone
        if not (directory / PLACE).exists():
            write_text(f"{uuid.uuid4().hex} {socket.gethostname()}:{directory}\n", directory / PLACE)


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
    directory: Path,
    *,
    session: str = "alone",
    study: Study | None = None,
    composer: Composer | None = None,
    storage_wait: float = 0,
) -> TrialQueue:
    """The queue of the study in `directory`; without `study`, the one that `study.json` there describes.

    Its workers wait `storage_wait` seconds for a storage that is away.
    """
    from regimens.study.queue.storage import open_storage
    from regimens.study.queue.trial_queue import TrialQueue

    study = study or Study.load(directory / "study.json")
    composer = composer or Composer(study.source)
    storage = open_storage(os.environ.get(STORAGE_VARIABLE), directory)
    place = (directory / PLACE).read_text().strip()
    return TrialQueue(study, directory, storage, composer, place, session, storage_wait)
