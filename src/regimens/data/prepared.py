"""Prepared files: a split on disk as train/valid/test.safetensors beside a manifest.json that vouches for them."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import write, writing
from regimens.data.arrays import PARTS, Array, Arrays

SCHEMA = 2
FILES = ("manifest.json", *(f"{part}.safetensors" for part in PARTS))


@dataclass(frozen=True)
class Prepared:
    """The three parts as (inputs, labels) by name, and the manifest: plain data, the same on every machine."""

    parts: Mapping[str, tuple[Array, Array]]
    manifest: Mapping[str, Any]

    @property
    def said(self) -> tuple[str, ...]:
        """Sentences to be said before training: what the source found, and warnings."""
        notes = (f"warning: {note}" for note in self.manifest.get("notes", ()))
        return (*self.manifest.get("told", ()), *notes)


def describe(
    arrays: Arrays, dataset: str, key: str, split: Mapping[str, Any], kept: str = ""
) -> tuple[dict[str, bytes], Prepared]:
    """`arrays` as files (name -> content) and as `Prepared`; kept: the "groups" or "times" that the split respects."""
    from safetensors.numpy import save

    parts = {name: (np.ascontiguousarray(x), np.ascontiguousarray(y)) for name, (x, y) in arrays.parts().items()}
    files = {f"{name}.safetensors": save({"x": x, "y": y}) for name, (x, y) in parts.items()}
    manifest = {
        "schema": SCHEMA,
        "dataset": dataset,
        "key": key,
        "source": arrays.source,
        "source_hashes": dict(arrays.hashes),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        "split": dict(split),
        "sizes": {name: len(y) for name, (_, y) in parts.items()},
        "class_counts": {
            name: dict(zip(arrays.class_names, np.bincount(y, minlength=arrays.n_classes).tolist(), strict=True))
            for name, (_, y) in parts.items()
            if not arrays.quantities
        },
        "class_names": list(arrays.class_names),
        "shape": list(arrays.x_train.shape[1:]),
        "dtype": str(arrays.x_train.dtype),
        "maximum": arrays.maximum,
    }
    if kept:
        manifest["kept"] = kept
    if arrays.quantities:
        manifest["quantities"] = list(arrays.quantities)
    if arrays.feature_names:
        manifest["feature_names"] = list(arrays.feature_names)
    if arrays.columns:
        manifest["columns"] = [column.plain() for column in arrays.columns]
    said = {"told": list(arrays.told), "notes": list(arrays.notes)}
    manifest |= {key: sentences for key, sentences in said.items() if sentences}
    files["manifest.json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    return files, Prepared(parts, manifest)


def save(files: Mapping[str, bytes], folder: Path) -> None:
    """Put `files` at `folder`, all of them or none. Raises DataError where the disk is full or refuses."""
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        staged.mkdir()  # not mkdtemp, whose folders are closed to others whatever the umask says
        try:
            for name, content in files.items():
                write(staged / name, content)
            old = staged.with_name(staged.name + ".old")
            if folder.exists():
                folder.rename(old)
            staged.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def read(folder: Path, key: str) -> Prepared | None:
    """What lies prepared in `folder`, or None where nothing does or it was prepared from something else.

    What was read last is kept until a file changes: all trials of a study begin here, and reading and hashing costs as
    much as a small trial. Raises DataError where the files are not those that the manifest vouches for.
    """
    try:
        stats = [(folder / name).stat() for name in FILES]
    except OSError:
        return _read.__wrapped__(folder, key, ())
    return _read(folder.absolute(), key, tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in stats))


@lru_cache(maxsize=2)
def _read(folder: Path, key: str, state: tuple[tuple[int, int, int], ...]) -> Prepared | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        if manifest["schema"] != SCHEMA or manifest["key"] != key:
            return None
        parts = {}
        for part in PARTS:
            content = (folder / f"{part}.safetensors").read_bytes()
            if hashlib.sha256(content).hexdigest() != manifest["files"][f"{part}.safetensors"]:
                raise DataError(f"{folder}/{part}.safetensors is not the file that its manifest names")
            tensors = load(content)
            parts[part] = (tensors["x"], tensors["y"])
    except FileNotFoundError as error:
        if not (folder / "manifest.json").exists():
            return None
        raise DataError(f"{folder} lacks {Path(error.filename).name}") from error
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"{folder} is damaged ({type(error).__name__})") from error
    return Prepared(parts, manifest)


def writable(folder: Path) -> bool:
    """Whether files can be made in `folder` (or it can be made)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False
