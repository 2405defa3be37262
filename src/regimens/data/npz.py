"""Arrays in an .npz or .npy file: what lies in it, under which names, never unpickled."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import sha256
from regimens.data.arrays import PARTS, Array, Arrays, check, column, inputs, labels, narrowed, quantities
from regimens.data.quoting import typed

NAMES = ("class_names", *(f"{letter}_{part}" for part in PARTS for letter in "Xy"))
#: names in use elsewhere (Keras, MedMNIST): of each, ours
KNOWN_AS = {
    **{f"x_{part}": f"X_{part}" for part in PARTS},
    **{"X_val": "X_valid", "x_val": "X_valid", "y_val": "y_valid"},
    **{f"{part}_images": f"X_{ours}" for part, ours in (("train", "train"), ("val", "valid"), ("test", "test"))},
    **{f"{part}_labels": f"y_{ours}" for part, ours in (("train", "train"), ("val", "valid"), ("test", "test"))},
}


def load(path: Path, names: Mapping[str, str], group: str | None, predicted: bool = False) -> Arrays:
    """The arrays of a data set: X_train (N, ...), y_train (N,), and the others of NAMES where they are there.

    `names` says under which other names they lie; y are quantities where they are `predicted`. Raises DataError for a
    file that cannot be read, and for what fits no data set.
    """
    found = _renamed(read(path), names, path)
    values: dict[str, Array | None] = {}
    for part in PARTS:
        x, y = f"X_{part}", f"y_{part}"
        if (x in found) != (y in found) or (part == "train" and x not in found):
            raise DataError(_missing(path, y if x in found else x, found))
        values[f"x_{part}"] = inputs(found[x], f"{path}: {x}") if x in found else None
        values[f"y_{part}"] = found.get(y)
    _same_width(values)
    groups = None if group is None else _groups(found, group, path)
    if predicted:
        return check(_of_quantities(values, path, groups), str(path))
    told = _class_names(found["class_names"], path) if "class_names" in found else None
    names_of, answers = _labels({part: values[f"y_{part}"] for part in PARTS}, told, path)
    values |= {f"y_{part}": answers[part] for part in PARTS}
    arrays = Arrays(**values, n_classes=len(names_of), class_names=names_of, source=path.name,  # type: ignore[arg-type]
                    hashes={path.name: sha256(path)}, groups=groups)  # fmt: skip
    return check(arrays, str(path))


def read(path: Path) -> dict[str, Array]:
    """Every array of an .npz, or the one of an .npy under the name X, none of it unpickled."""
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "no such file")
        with path.open("rb") as file:  # numpy leaves a damaged one open
            if path.suffix.lower() == ".npy":
                return {"X": np.load(file, allow_pickle=False)}
            if not zipfile.is_zipfile(file):
                raise ValueError
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, SyntaxError,
            TypeError, AttributeError, MemoryError, OverflowError, RuntimeError) as error:  # fmt: skip
        pickled = "allow_pickle" in str(error)
        reason = "it holds pickled objects, which are never loaded" if pickled else "it is damaged, or not an .npz"
        raise DataError(f"cannot read {path}: {reason}: write it again with numpy.savez") from error


def _of_quantities(values: Mapping[str, Array | None], path: Path, groups: Array | None) -> Arrays:
    """The data set whose y are quantities, called y, or y0, y1, ..."""
    answers = {
        part: None if (y := values[f"y_{part}"]) is None else quantities(y, f"{path}: y_{part}") for part in PARTS
    }
    widths = {part: y.shape[1] for part, y in answers.items() if y is not None}
    if len(set(widths.values())) > 1:
        raise DataError(f"{path}: y has {', '.join(f'{n} columns in {part}' for part, n in widths.items())}")
    names = ("y",) if widths["train"] == 1 else tuple(f"y{i}" for i in range(widths["train"]))
    parts = {**values, **{f"y_{part}": y for part, y in answers.items()}}
    return Arrays(**parts, n_classes=0, class_names=(), source=path.name,  # type: ignore[arg-type]
                  hashes={path.name: sha256(path)}, groups=groups, quantities=names)  # fmt: skip


def _renamed(found: dict[str, Array], names: Mapping[str, str], path: Path) -> dict[str, Array]:
    """The arrays under our names: those that the user says, else those that others use."""
    for ours, theirs in names.items():
        if ours not in NAMES or theirs not in found:
            wrong = f"{ours!r}: choose {', '.join(NAMES)}" if ours not in NAMES else f"{theirs!r}: {_holds(found)}"
            raise DataError(f"data.names: {path} has no array called {wrong}")
    told = {theirs: ours for ours, theirs in names.items()}
    known = {} if "X_train" in found else KNOWN_AS
    return {told.get(name, known.get(name, name)): values for name, values in found.items()}


def _missing(path: Path, name: str, found: Mapping[str, Array]) -> str:
    example = typed("data.names", {"X_train": "arr_0", "y_train": "arr_1"})
    return f"{path} has no {name}: {_holds(found)}; say which is which, as in {example}"


def _holds(found: Mapping[str, Array]) -> str:
    return f"it holds {', '.join(sorted(found)) or 'nothing'}"


def _same_width(values: dict[str, Array | None]) -> None:
    """Turn the inputs that are wide for exactness alone into float32, all parts alike."""
    parts = [f"x_{part}" for part in PARTS if values[f"x_{part}"] is not None]
    arrays = [x for x in (values[name] for name in parts) if x is not None]
    if len({x.shape[1:] for x in arrays}) > 1:
        return  # which `check` tells
    values.update(zip(parts, narrowed(arrays), strict=True))


def _class_names(values: Array, path: Path) -> tuple[str, ...]:
    if values.ndim == 0 or values.dtype.kind not in "USbiuf":
        raise DataError(f"{path}: class_names is a single {values.dtype}: give an array of names, one for each class")
    cells = values.ravel().tolist()
    names = tuple((cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)).strip() for cell in cells)
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise DataError(
            f"{path}: class_names has {', '.join(map(repr, twins))} more than once: call each class by its own"
        )
    return names


def _labels(
    parts: Mapping[str, Array | None], names: tuple[str, ...] | None, path: Path
) -> tuple[tuple[str, ...], dict[str, Array | None]]:
    """Names of the classes, and each part's labels as class numbers; words as labels are names."""
    raw = {part: values for part, values in parts.items() if values is not None}
    if any(values.dtype.kind in "US" for values in raw.values()):
        words = {part: _words(column(values, f"{path}: y_{part}")) for part, values in raw.items()}
        known = names or tuple(sorted(set(words["train"])))
        place = {name: number for number, name in enumerate(known)}
        for part, cells in words.items():
            if odd := next((cell for cell in cells if cell not in place), None):
                raise DataError(f"{path}: y_{part} holds {odd!r}, which is none of {', '.join(known[:20])}")
        return known, {part: np.array([place[cell] for cell in words[part]], dtype=np.int64) if part in words else None
                       for part in PARTS}  # fmt: skip
    numbers = {part: labels(values, f"{path}: y_{part}") for part, values in raw.items()}
    y = numbers["train"]
    n_classes = int(y.max()) + 1 if y.size else 0
    if names is None and n_classes > 2 * len(np.unique(y)) + 10:
        told = f"{path}: y_train goes up to {n_classes - 1} with {len(np.unique(y))} different numbers"
        raise DataError(f"{told}, which looks like a quantity: number classes 0, 1, 2, ..., or give words")
    known = names or tuple(str(number) for number in range(n_classes))
    if len(known) < n_classes:
        raise DataError(f"{path}: {n_classes} classes but {len(known)} class names")
    return known, {part: numbers.get(part) for part in PARTS}


def _words(values: Array) -> list[str]:
    cells = values.tolist()
    return [(cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)).strip() for cell in cells]


def _groups(found: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in found:
        raise DataError(f"data.group={name}: {path} has no array of this name: {_holds(found)}")
    values = column(found[name], f"{path}: {name}")
    if len(values) != len(found["X_train"]):
        raise DataError(f"data.group={name}: {len(values)} values for {len(found['X_train'])} training examples")
    return np.unique(values, return_inverse=True)[1]
