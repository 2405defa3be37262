"""Sources: one function per data set, each giving `Arrays`; the `_target_`s of conf/data."""

import functools
import json
import logging
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import sha256
from regimens.data import fashion, table
from regimens.data.arrays import Array, Arrays, check, inputs, labels

log = logging.getLogger(__name__)

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


def arrays(path: str) -> Arrays:
    """The user's own .npz: X_train (N, ...), y_train (N,), and X_valid/y_valid, X_test/y_test, class_names if present.

    Raises DataError for a file that cannot be read, pickled objects, and whatever `arrays.check` finds.
    """
    found = read_npz(Path(path))
    values: dict[str, Any] = {}
    for part in ("train", "valid", "test"):
        x, y = f"X_{part}", f"y_{part}"
        if (x in found) != (y in found) or (part == "train" and x not in found):
            missing = y if x in found else x
            raise DataError(f"{path} has no {missing}: it holds {', '.join(sorted(found)) or 'nothing'}")
        values[f"x_{part}"] = inputs(found[x], f"{path}: {x}") if x in found else None
        values[f"y_{part}"] = labels(found[y], f"{path}: {y}") if y in found else None
    y_train = values["y_train"]
    n_classes = int(y_train.max()) + 1 if y_train.size else 0
    names = tuple(str(name) for name in found["class_names"]) if "class_names" in found else None
    names = names or tuple(str(number) for number in range(min(n_classes, 1 + len(np.unique(y_train)))))
    n_classes = max(n_classes, len(names))
    digest = {Path(path).name: sha256(Path(path))}
    return check(Arrays(**values, n_classes=n_classes, class_names=names, source=Path(path).name, hashes=digest), path)


def csv(path: str, target: str, drop: Sequence[str] = (), separator: str = ",") -> Arrays:
    """A table with a header: column `target` holds the labels, every other column but `drop` is a numeric feature.

    Labels are numbers or words; each value is a class. Raises DataError for a missing file or column, a feature that
    is empty or no number, labels that are quantities, and whatever `arrays.check` finds.
    """
    rows = table.read(path, separator)
    y, names = table.classes(table.column(rows, str(target), path), path)
    for name in drop:
        table.column(rows, str(name), path)
    features = rows.drop(columns=[str(target), *map(str, drop)])
    for name in table.counters(features):
        log.warning("%s: column %r only numbers the rows; leave it out with data.drop=[%s]", path, name, name)
    x = table.features(features, path)
    found = Arrays(
        x, y, None, None, None, None, len(names), names, Path(path).name, {Path(path).name: sha256(Path(path))},
        feature_names=tuple(features.columns),
    )  # fmt: skip
    return check(found, path)


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
    if told.get("path"):
        told["path"] = sha256(Path(told["path"]))
    return json.dumps([name, told], default=repr)


def read_npz(path: Path) -> dict[str, Array]:
    """Every array of an .npz, none of it unpickled."""
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "no such file")
        if not zipfile.is_zipfile(path):
            raise ValueError
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError) as error:
        pickled = "allow_pickle" in str(error)
        reason = "it holds pickled objects, which are never loaded" if pickled else "it is damaged, or not an .npz"
        raise DataError(f"cannot read {path}: {reason}: write it again with numpy.savez") from error
