"""Cutting: the examples of one task, picked from a prepared split, before anything is scaled or made into tensors."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from regimens.core.errors import DataError
from regimens.data import encoding, inputs, task
from regimens.data import targets as quantities
from regimens.data.arrays import PARTS, Array
from regimens.data.columns import NUMBER, Column, restored
from regimens.data.prepared import Prepared

if TYPE_CHECKING:
    from regimens.data.split import Split

Examples = dict[str, Array]
Picked = dict[str, tuple[Array, Array]]


@dataclass(frozen=True)
class Cut:
    """The examples of one task, and what they are called; naming them needs no torch, so a study begins soon."""

    goal: task.ClassTask | task.Regression
    #: of each part, all its examples (the training set cut to `train_size`, the test set with what was held out)
    examples: Examples
    #: of each part, the rows that are the task's, and their labels there
    picked: Picked
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    scale: str
    #: the largest value that the source can hold, for `scale`
    maximum: Any
    columns: tuple[Column, ...]
    #: sentences to be said before training: what the source found, and warnings
    said: tuple[str, ...]
    #: source, files, sizes, counts of each class, and the hash of all that names the examples
    manifest: dict[str, Any]
    #: what the quantities of a regression are, in the training set; None for classes
    targets: quantities.Targets | None = None

    @property
    def n_inputs(self) -> int:
        """Numbers of one example."""
        return self.encoder.width

    @property
    def n_outputs(self) -> int:
        """Logits of a network for the task."""
        if self.targets is not None:
            return len(self.targets.names)
        return 1 if self.goal.binary else len(self.classes)

    @cached_property
    def encoder(self) -> encoding.Encoder | encoding.AsIs:
        """What turns examples into features, fitted on the training set."""
        return encoding.fit(self.columns, self.examples["train"])

    def split(self, *, tested: bool = True) -> "Split":
        """The tensors, without examples to test on where nothing is `tested`.

        The scaling is fitted on the training set for every task alike, so that what A learnt fits B.
        """
        import numpy as np
        import torch

        from regimens.data.split import Split

        found = inputs.fit(self.scale, self.encoder, self.columns, self.examples["train"], self.maximum)
        tensors: dict[str, torch.Tensor] = {}
        for part in PARTS if tested else ("train", "valid"):
            x, (rows, labels) = self.examples[part], self.picked[part]
            tensors[f"x_{part}"] = torch.from_numpy(found.features(x if len(rows) == len(x) else x[rows]))
            if self.targets is not None:
                labels = self.targets.standardised(labels)
            tensors[f"y_{part}"] = torch.from_numpy(labels.astype(np.float32) if self.goal.binary else labels)
        none = {f"{name}_test": tensors[f"{name}_train"][:0] for name in "xy"}
        return Split(
            **{**none, **tensors},
            n_inputs=self.n_inputs,
            n_outputs=self.n_outputs,
            binary=self.goal.binary,
            n_classes=len(self.classes),
            class_names=self.classes,
            manifest=self.manifest,
            inputs=found,
            feature_names=self.feature_names,
            targets=self.targets,
        )


def cut_out(
    found: Prepared,
    dataset: str,
    scale: str,
    train_size: int | None,
    held_out: int | None,
    kind: str,
    b_classes: Sequence[int],
    b_train: int | None,
) -> Cut:
    """Cut the training set to its first `train_size`, pick the task's classes, and cut B's to its first `b_train`.

    The last `held_out` training examples are tested on as well, for which `train_size` has to leave them out.
    Raises DataError where a size is none, a class is left without examples, or what is held out belongs to training.
    """
    import numpy as np

    goal = task.make(kind, b_classes, len(found.manifest["class_names"]), found.manifest.get("quantities", ()))
    classes = tuple(found.manifest["class_names"][number] for number in goal.classes)
    examples, picked = _pick(_sized(found, train_size, held_out), goal, b_train)
    targets = quantities.fit(goal.quantities, picked["train"][1]) if isinstance(goal, task.Regression) else None
    counts = {
        part: np.bincount(labels, minlength=len(classes)).tolist() if targets is None else []
        for part, (_, labels) in picked.items()
    }
    for part, count in counts.items() if targets is None else ():
        _refuse_empty(part, count, classes)
    kept: dict[str, Any] = {} if kind in ("all", task.REGRESSION) else {"b_classes": list(b_classes)}
    named = {
        "dataset": dataset,
        **{key: found.manifest[key] for key in ("source", "files", "split", "columns") if key in found.manifest},
        "scale": scale,
        "train_size": train_size,
        **({"held_out": held_out} if held_out else {}),
        "task": {"kind": kind, **kept, **({"b_train": b_train} if kind == "b" else {})},
    }
    # The same examples are the same data, whatever their file is called and wherever it lies.
    content = {key: value for key, value in named.items() if key not in ("dataset", "source")}
    content |= {"quantities": goal.quantities} if isinstance(goal, task.Regression) else {}
    content |= {"classes": classes, "features": list(found.manifest.get("feature_names", ()))}
    told = {
        **named,
        "hash": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        "sizes": {part: len(labels) for part, (_, labels) in picked.items()},
        "class_counts": {part: dict(zip(classes, count, strict=True)) for part, count in counts.items()},
        **({"targets": targets.plain()} if targets else {}),
    }
    features = tuple(found.manifest.get("feature_names", ()))
    columns = tuple(map(restored, found.manifest.get("columns", ()))) or tuple(
        Column(name, NUMBER) for name in features
    )
    maximum = found.manifest["maximum"]
    return Cut(goal, examples, picked, classes, features, scale, maximum, columns, found.said, told, targets)


def _sized(found: Prepared, train_size: int | None, held_out: int | None) -> dict[str, tuple[Array, Array]]:
    """The parts, with the training set cut, and the test set with the last of what that leaves out."""
    import numpy as np

    parts = dict(found.parts)
    x, y = parts["train"]
    if train_size is not None:
        if not isinstance(train_size, int) or not 0 < train_size <= len(y):
            raise DataError(f"data.train_size={train_size}: the training set has {len(y)} examples")
        parts["train"] = x[:train_size], y[:train_size]
    if not held_out:
        return parts
    if isinstance(held_out, bool) or not isinstance(held_out, int) or held_out < 0:
        raise DataError(f"data.held_out={held_out}: give a number of examples")
    kept = "folds" if "folds" in found.manifest["split"] else found.manifest.get("kept")
    if kept:
        raise DataError(f"data.held_out={held_out}: what is left of the training set shares {kept} with it; give null")
    start = len(y) - held_out
    if start < len(parts["train"][1]):
        trained = "null" if train_size is None else train_size
        raise DataError(
            f"data.held_out={held_out} and data.train_size={trained}: of {len(y)} training examples some would be "
            "trained and tested on: give a smaller train_size, or data.held_out=null"
        )
    tested = zip(parts["test"], (x[start:], y[start:]), strict=True)
    return {**parts, "test": tuple(map(np.concatenate, tested))}  # type: ignore[dict-item]


def _pick(
    parts: Mapping[str, tuple[Array, Array]], goal: task.ClassTask | task.Regression, b_train: int | None
) -> tuple[Examples, Picked]:
    """Every part's examples; of each the rows that are the task's, and their labels there."""
    examples = {part: parts[part][0] for part in PARTS}
    picked: Picked = {}
    for part in PARTS:
        rows, new = goal.select(parts[part][1])
        if part == "train" and goal.binary and b_train is not None:
            if not isinstance(b_train, int) or not 0 < b_train <= len(rows):
                raise DataError(
                    f"task.b_train={b_train}: classes {list(goal.classes)} have {len(rows)} training examples"
                )
            rows, new = rows[:b_train], new[:b_train]
        picked[part] = rows, new
    return examples, picked


def _refuse_empty(part: str, counts: Sequence[int], names: Sequence[str]) -> None:
    if not sum(counts):
        raise DataError(f"the {part} set has no example of {', '.join(names)}: choose other classes or sizes")
    if part == "train" and 0 in counts:
        empty = names[list(counts).index(0)]
        raise DataError(f"the training set has no example of class {empty}: raise data.train_size or task.b_train")
