"""Store: `prepare` a data set's split on disk, `cut` one task out of it, `load` that as tensors."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import DataError
from regimens.core.hashing import digest
from regimens.core.locks import held
from regimens.data import prepared
from regimens.data.arrays import Arrays, check
from regimens.data.carve import carve
from regimens.data.cut import Cut, cut_out
from regimens.data.sources import identity, of_quantities
from regimens.data.task import REGRESSION

if TYPE_CHECKING:
    from regimens.data.split import Split

log = logging.getLogger(__name__)

HOW_KEYS = ("n_valid", "n_test", "shuffle", "stratify", "folds", "fold")
SPLIT_KEYS = ("scale", *HOW_KEYS, "train_size", "held_out")
"""Keys of a conf/data node that say how to split and scale; the others are the source's own."""

Source = Callable[[], Arrays]

# The last split, by all that it follows from: a study's trials share one. To make it takes a tenth of a short trial.
_last: dict[str, "Split"] = {}


@dataclass(frozen=True)
class How:
    """How examples are split, see `carve.carve`."""

    n_valid: int | float
    n_test: int | float = 0.2
    shuffle: int | None = None
    stratify: bool = False
    folds: int | None = None
    fold: int = 0

    def told(self) -> dict[str, Any]:
        """It in plain data; what is not stratified, or has no folds, is named as before there was a choice."""
        left = {"stratify"} if not self.stratify else set()
        left |= {"folds", "fold"} if self.folds is None else set()
        return {key: value for key, value in asdict(self).items() if key not in left}


def prepare(
    source: Source,
    *,
    dataset: str,
    directory: str | Path,
    kind: str = "all",
    **how: Any,
) -> tuple[Path, tuple[str, ...]]:
    """Split what `source` gives for a task's kind and write it to `directory`/`dataset` with its manifest.

    Returns that folder, and sentences about what was found. how: the fields of `How`.
    Raises DataError where the data cannot be had, is not sound, or cannot be written.
    """
    folder, source = Path(directory) / dataset, _asked(source, kind)
    split = How(**how)
    files, made = _make(source, dataset, _key(source, split), split)
    prepared.save(files, folder)
    return folder, made.said


def load(source: Source, *, tested: bool = True, **task: Any) -> "Split":
    """The tensors of one task, see `Cut.split`, not to be changed; the other arguments and errors are `cut`'s."""
    found = cut(source, **task)
    key = digest([found.manifest, found.classes, found.feature_names, found.scale, tested])
    if key not in _last:
        _last.clear()  # first: there may be no room for two
        _last[key] = found.split(tested=tested)
    return _last[key]


def cut(
    source: Source,
    *,
    dataset: str,
    directory: str | Path,
    scale: str,
    train_size: int | None = None,
    held_out: int | None = None,
    kind: str = "all",
    b_classes: Sequence[int] = (5, 6),
    b_train: int | None = 200,
    **how: Any,
) -> Cut:
    """The examples of one task, with their manifest; how: the fields of `How`.

    Prepared files in `directory` are used where they are sound and of this source and split; where not, the split is
    prepared beside them, by one process at a time, or in memory where `directory` cannot be written. See `cut.cut_out`.
    Raises DataError where the data cannot be had, is not sound, or the cut leaves a class without examples.
    """
    found = _find(_asked(source, kind), dataset, Path(directory), How(**how))
    return cut_out(found, dataset, scale, train_size, held_out, kind, b_classes, b_train)


def _asked(source: Source, kind: str) -> Source:
    return of_quantities(source) if kind == REGRESSION else source


def _find(source: Source, dataset: str, directory: Path, how: How) -> prepared.Prepared:
    """The prepared split: as the prepare stage left it, else from a folder of its own, made here if need be.

    The prepare stage's folder is an output of DVC's, so only that stage writes it.
    """
    key = _key(source, how)
    if key is None:
        return _make(source, dataset, None, how)[1]
    own = directory / f"{dataset}-{key[:12]}"
    if (found := _sound(directory / dataset, key) or _sound(own, key)) is not None:
        return found
    if not prepared.writable(directory):
        log.warning("%s cannot be written: the data is prepared in memory, again for every trial", directory)
        return _make(source, dataset, key, how)[1]
    with held(directory / f".{own.name}.lock"):
        if (found := _sound(own, key)) is not None:  # made while this process waited
            return found
        files, made = _make(source, dataset, key, how)
        prepared.save(files, own)
    return made


def _sound(folder: Path, key: str) -> prepared.Prepared | None:
    try:
        return prepared.read(folder, key)
    except DataError as error:
        log.warning("%s: preparing it again", error)
        return None


def _make(source: Source, dataset: str, key: str | None, how: How) -> tuple[dict[str, bytes], prepared.Prepared]:
    whole = check(source(), dataset)
    kept = "groups" if whole.groups is not None else "times" if whole.times is not None else ""
    return prepared.describe(carve(whole, **asdict(how)), dataset, key or "", how.told(), kept)


def _key(source: Source, how: How) -> str | None:
    """A SHA-256 that names the source and the split; None where the source cannot be named."""
    told = identity(source)
    if told is None:
        return None
    named = [prepared.SCHEMA, told, *how.told().values()]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()
