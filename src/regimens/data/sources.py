"""Sources: one function per data set, each giving `Arrays`; the `_target_`s of conf/data."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import sha256
from regimens.data import cells, fashion, folder, npz, table
from regimens.data.arrays import Arrays, check
from regimens.data.kinds import Reading
from regimens.data.quoting import listed, mapped, typed

_WHERE_NOT_WHAT = frozenset({"dir", "cache", "mirrors"})


def fashion_mnist(dir: str | None = None, cache: str = "cache", mirrors: Sequence[str] | None = None) -> Arrays:
    """Fashion-MNIST, 60,000 + 10,000 images of 28 x 28, 10 classes; looked for in `dir`, then as `fashion.places` says.

    Raises DataError (its kind `fashion.Unavailable` where no place has it).
    """
    files = fashion.obtain(dir, cache, mirrors)
    x_train, y_train, x_test, y_test = (fashion.decode(files[name], name) for name in fashion.FILES)
    source = "Fashion-MNIST (Zalando SE 2017, arXiv:1708.07747), IDX files"
    return Arrays(
        x_train,
        y_train.astype(np.int64),
        None,
        None,
        x_test,
        y_test.astype(np.int64),
        10,
        fashion.CLASSES,
        source,
        dict(fashion.FILES),
        255.0,
    )


def digits() -> Arrays:
    """The 1,797 images of 8 x 8 grey levels 0..16 inside scikit-learn (UCI optical digits, the NIST test part)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, targets = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
    names = tuple(str(digit) for digit in range(10))
    return Arrays(images, targets, None, None, None, None, 10, names, "scikit-learn's digits (UCI)", {}, 16.0)


def arrays(
    path: str, names: Mapping[str, str] | str | None = None, group: str | None = None, quantities: bool = False
) -> Arrays:
    """The user's own .npz: X_train (N, ...), y_train (N,), and X_valid/y_valid, X_test/y_test, class_names if present.

    `names` says under which other names they lie, `group` names an array of groups that no split divides. With
    `quantities`, y are numbers to be predicted, (N,) or (N, quantities).
    Raises DataError for a file that cannot be read, pickled objects, and whatever `arrays.check` finds.
    """
    return npz.load(_given(path, "data.path", "a file"), mapped(names, "data.names"), group, quantities)


def csv(
    path: str,
    target: Sequence[str] | str,
    drop: Sequence[str] | str = (),
    separator: str = "auto",
    decimal: str = "auto",
    encoding: str = "auto",
    types: Mapping[str, str] | str | None = None,
    missing: Sequence[str] | str = (),
    group: str | None = None,
    time: str | None = None,
    quantities: bool = False,
) -> Arrays:
    """A table with a header: column `target` holds the labels, every other column but `drop` is a feature.

    With `quantities`, it holds numbers to be predicted, and there may be several such columns.

    How cells are read is found, unless it is said: `types` of columns (number, boolean, word, date, or a date's
    format), words that are `missing`. `group` and `time` name columns to split by. Raises DataError for a missing file
    or column, columns that cannot be used, labels that are quantities, and whatever `arrays.check` finds.
    """
    place = _given(path, "data.path", "a file")
    found = cells.read(place, str(separator), str(encoding))
    targets = [] if target is None or str(target) == "???" else listed(target, "data.target")
    if not targets:
        names = [str(name) for name in found.table.columns]
        raise DataError(f"data.target is missing: say which column holds the labels of {path}, as in "
                        f"{typed('data.target', names[-1])}; its columns are {table.some(names)}")  # fmt: skip
    reading = Reading(mapped(types, "data.types"), str(decimal), listed(missing, "data.missing"))
    by_group, in_time = (None if name is None else str(name) for name in (group, time))
    if len(targets) > 1 and not quantities:
        raise DataError(
            f"data.target={target}: one column holds the labels; several quantities are for task=regression"
        )
    about = table.About(tuple(targets), tuple(listed(drop, "data.drop")), by_group, in_time, quantities)
    return check(table.load(found, place, about, reading), path)


def of_quantities(source: Callable[..., Arrays]) -> Callable[[], Arrays]:
    """The source, told to read quantities where it can read classes as well."""
    function = source.func if isinstance(source, functools.partial) else source
    takes = "quantities" in inspect.signature(function).parameters
    return functools.partial(source, quantities=True) if takes else source


def _given(path: object, key: str, what: str) -> Path:
    """`path` as a path. Raises DataError where the user has yet to give it."""
    if path is None or str(path) in ("", "???"):
        raise DataError(f"{key} is missing: give {what}, as in {key}=my.csv")
    return Path(str(path))


def identity(source: Callable[[], Arrays]) -> str | None:
    """What data `source` gives, known without calling it; None where that cannot be known (a closure).

    Two equal identities give equal arrays: a file counts by its content, a place to look in does not count.
    Raises DataError where a named file cannot be read.
    """
    function, keywords = source, {}
    if isinstance(source, functools.partial):
        if source.args:
            return None
        function, keywords = source.func, source.keywords
    name = f"{function.__module__}.{getattr(function, '__qualname__', '<unnamed>')}"
    if "<" in name:
        return None
    told: dict[str, Any] = {key: value for key, value in sorted(keywords.items()) if key not in _WHERE_NOT_WHAT}
    if told.get("path") is not None:
        place = _given(told["path"], "data.path", "a file")
        told["path"] = folder.hash_of_pictures(place) if place.is_dir() else sha256(place)
    return json.dumps([name, told], default=repr)
