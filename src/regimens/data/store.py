"""Store: `prepare` a data set's split on disk, `load` it as the tensors of one task."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.data import prepared, scaling, task
from regimens.data.arrays import PARTS, Arrays, check
from regimens.data.carve import carve
from regimens.data.sources import identity
from regimens.errors import DataError

if TYPE_CHECKING:
    from regimens.data.split import Split

log = logging.getLogger(__name__)

SPLIT_KEYS = ("scale", "n_valid", "n_test", "shuffle", "train_size")
"""Keys of a conf/data node that say how to split and scale; the others are the source's own."""

Source = Callable[[], Arrays]


def prepare(
    source: Source,
    *,
    dataset: str,
    directory: str | Path,
    n_valid: int | float,
    n_test: int | float = 0.2,
    shuffle: int | None = None,
) -> Path:
    """Split what `source` gives and write it to `directory`/`dataset` with its manifest; returns that folder.

    See `carve.carve` for the sizes. Raises DataError where the data cannot be had, is not sound, or cannot be written.
    """
    folder = Path(directory) / dataset
    files, _ = _make(source, dataset, _key(source, n_valid, n_test, shuffle), n_valid, n_test, shuffle)
    prepared.save(files, folder)
    return folder


def load(
    source: Source,
    *,
    dataset: str,
    directory: str | Path,
    scale: str,
    n_valid: int | float,
    n_test: int | float = 0.2,
    shuffle: int | None = None,
    train_size: int | None = None,
    kind: str = "all",
    b_classes: Sequence[int] = (5, 6),
    b_train: int | None = 200,
) -> "Split":
    """The tensors of one task.

    Prepared files in `directory` are used where they are sound and of this source and split; where not, the split is
    prepared beside them, by one process at a time, or in memory where `directory` cannot be written.
    The training set is cut to its first `train_size`, the scaling (`scaling.fit`) fitted on it for every task alike
    (so that what A learnt fits B), and the task's classes picked, B's training set cut to its first `b_train`.
    Raises DataError where the data cannot be had, is not sound, or the cut leaves a class without examples.
    """
    import numpy as np
    import torch

    from regimens.data.split import Split

    found = _find(source, dataset, Path(directory), n_valid, n_test, shuffle)
    names = found.manifest["class_names"]
    goal = task.make(kind, b_classes, len(names))
    x_train, y_train = found.parts["train"]
    if train_size is not None:
        if not isinstance(train_size, int) or not 0 < train_size <= len(y_train):
            raise DataError(f"data.train_size={train_size}: the training set has {len(y_train)} examples")
        x_train, y_train = x_train[:train_size], y_train[:train_size]
    scaled = scaling.fit(scale, x_train, found.manifest["maximum"])

    tensors: dict[str, torch.Tensor] = {}
    counts: dict[str, list[int]] = {}
    for part in PARTS:
        x, y = (x_train, y_train) if part == "train" else found.parts[part]
        limit = b_train if part == "train" and kind == "b" else None
        rows, new = goal.select(y)
        if limit is not None:
            if not isinstance(limit, int) or not 0 < limit <= len(rows):
                raise DataError(f"task.b_train={limit}: classes {list(b_classes)} have {len(rows)} training examples")
            rows, new = rows[:limit], new[:limit]
        counts[part] = np.bincount(new, minlength=len(goal.classes)).tolist()
        _refuse_empty(part, counts[part], [names[number] for number in goal.classes])
        tensors[f"x_{part}"] = torch.from_numpy(scaled(x if len(rows) == len(x) else x[rows]))
        tensors[f"y_{part}"] = torch.from_numpy(new.astype(np.float32) if goal.binary else new)

    told = _told(found.manifest, dataset, scale, train_size, kind, b_classes, b_train)
    classes = tuple(names[number] for number in goal.classes)
    told["sizes"] = {part: sum(count) for part, count in counts.items()}
    told["class_counts"] = {part: dict(zip(classes, count, strict=True)) for part, count in counts.items()}
    return Split(
        **tensors,
        n_inputs=tensors["x_train"].shape[1],
        n_outputs=1 if goal.binary else len(classes),
        binary=goal.binary,
        n_classes=len(classes),
        class_names=classes,
        manifest=told,
        scaling=scaled,
        feature_names=tuple(found.manifest.get("feature_names", ())),
    )


def _told(
    manifest: Mapping[str, Any],
    dataset: str,
    scale: str,
    train_size: int | None,
    kind: str,
    b_classes: Sequence[int],
    b_train: int | None,
) -> dict[str, Any]:
    """What names a task's examples: their origin, how they were split, scaled and cut, and the hash of it all."""
    cut: dict[str, Any] = {} if kind == "all" else {"b_classes": list(b_classes)}
    told = {
        "dataset": dataset,
        "source": manifest["source"],
        "files": manifest["files"],
        "split": manifest["split"],
        "scale": scale,
        "train_size": train_size,
        "task": {"kind": kind, **cut, **({"b_train": b_train} if kind == "b" else {})},
    }
    return {**told, "hash": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}


def _find(
    source: Source, dataset: str, directory: Path, n_valid: int | float, n_test: int | float, shuffle: int | None
) -> prepared.Prepared:
    """The prepared split: as the prepare stage left it, else from a folder of its own, made here if need be.

    The prepare stage's folder is an output of DVC's, so only that stage writes it.
    """
    from filelock import FileLock

    key = _key(source, n_valid, n_test, shuffle)
    if key is None:
        return _make(source, dataset, None, n_valid, n_test, shuffle)[1]
    own = directory / f"{dataset}-{key[:12]}"
    if (found := _sound(directory / dataset, key) or _sound(own, key)) is not None:
        return found
    if not prepared.writable(directory):
        log.warning("%s cannot be written: the data is prepared in memory, again for every trial", directory)
        return _make(source, dataset, key, n_valid, n_test, shuffle)[1]
    with FileLock(directory / f".{own.name}.lock"):
        if (found := _sound(own, key)) is not None:  # made while this process waited
            return found
        files, made = _make(source, dataset, key, n_valid, n_test, shuffle)
        prepared.save(files, own)
    return made


def _sound(folder: Path, key: str) -> prepared.Prepared | None:
    try:
        return prepared.read(folder, key)
    except DataError as error:
        log.warning("%s: preparing it again", error)
        return None


def _make(
    source: Source, dataset: str, key: str | None, n_valid: int | float, n_test: int | float, shuffle: int | None
) -> tuple[dict[str, bytes], prepared.Prepared]:
    arrays = carve(check(source(), dataset), n_valid, n_test, shuffle)
    split = {"n_valid": n_valid, "n_test": n_test, "shuffle": shuffle}
    return prepared.describe(arrays, dataset, key or "", split)


def _key(source: Source, n_valid: int | float, n_test: int | float, shuffle: int | None) -> str | None:
    """A SHA-256 that names the source and the split; None where the source cannot be named."""
    told = identity(source)
    if told is None:
        return None
    return hashlib.sha256(json.dumps([prepared.SCHEMA, told, n_valid, n_test, shuffle]).encode()).hexdigest()


def _refuse_empty(part: str, counts: Sequence[int], names: Sequence[str]) -> None:
    if not sum(counts):
        raise DataError(f"the {part} set has no example of {', '.join(names)}: choose other classes or sizes")
    if part == "train" and 0 in counts:
        empty = names[list(counts).index(0)]
        raise DataError(f"the training set has no example of class {empty}: raise data.train_size or task.b_train")
