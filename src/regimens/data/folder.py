"""A folder of pictures as a data set: a folder in it for each class, as torchvision's ImageFolder has it."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from regimens.core.errors import DataError
from regimens.data import pictures
from regimens.data.arrays import Array, Arrays, check

#: folders that hold a part each, and of which part
PARTS = {"train": "train", "training": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}

Files = dict[str, list[tuple[Path, str]]]


def folder(path: str, size: object = None, channels: object = None) -> Arrays:
    """The pictures under `path`, uint8 of (N, height, width) or (N, height, width, 3); classes are folders' names.

    Folders train, valid (val) and test, each with folders of classes, are parts; otherwise all is one. Raises DataError
    for a folder without classes or a class without pictures, and whatever `pictures` refuses.
    """
    if path is None or str(path) in ("", "???"):
        raise DataError("data.path is missing: give a folder of pictures, as in data.path=photos")
    root = Path(str(path))
    files = _files(root)
    names = tuple(sorted({name for found in files.values() for _, name in found}))
    paths = [place for found in files.values() for place, _ in found]
    form = pictures.form_of(paths, size, channels)
    pictures.refuse_too_many(len(paths), form)
    number = {name: place for place, name in enumerate(names)}
    x: dict[str, Array | None] = {}
    y: dict[str, Array | None] = {}
    for part in ("train", "valid", "test"):
        found = files.get(part)
        x[part] = None if found is None else pictures.read([place for place, _ in found], form)
        y[part] = None if found is None else np.array([number[name] for _, name in found], dtype=np.int64)
    shape = " x ".join(map(str, form.shape))
    told = f"{root.name}: {len(paths)} pictures of {shape} in {len(names)} classes: {', '.join(names[:8])}"
    assert x["train"] is not None and y["train"] is not None
    arrays = Arrays(x["train"], y["train"], x["valid"], y["valid"], x["test"], y["test"], len(names), names, root.name,
                    {root.name: hash_of_pictures(root)}, 255.0, told=(told,))  # fmt: skip
    return check(arrays, str(root))


def hash_of_pictures(root: Path) -> str:
    """A SHA-256 of the names and contents of all pictures under `root`, remembered while none of them changes."""
    files = pictures.listed(root)
    stats = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _hash_of(root, stats)


@lru_cache(maxsize=8)
def _hash_of(root: Path, stats: tuple[tuple[str, int, int], ...]) -> str:
    found = hashlib.sha256()
    for name, _, _ in stats:
        content = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        found.update(f"{Path(name).relative_to(root)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _files(root: Path) -> Files:
    """Of each part, its pictures and their classes."""
    if not root.is_dir():
        raise DataError(f"cannot read {root}: no such folder" if not root.exists() else f"{root} is no folder")
    inside = [place for place in sorted(root.iterdir()) if place.is_dir() and not place.name.startswith(".")]
    if inside and all(place.name.lower() in PARTS for place in inside):
        parts: Files = {}
        for place in inside:
            parts.setdefault(PARTS[place.name.lower()], []).extend(_classes(place))
        if "train" not in parts:
            raise DataError(f"{root} has no folder train: it has {', '.join(place.name for place in inside)}")
        return parts
    return {"train": _classes(root)}


def _classes(root: Path) -> list[tuple[Path, str]]:
    inside = [place for place in sorted(root.iterdir()) if place.is_dir() and not place.name.startswith(".")]
    if not inside:
        raise DataError(f"{root} has no folders in it: make one for each class, and put its pictures there")
    found = {place.name: pictures.listed(place) for place in inside}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(f"{root}: no picture in {', '.join(empty)}: add some ({', '.join(sorted(pictures.ENDINGS))})")
    return [(path, name) for name, files in found.items() for path in files]
