"""From a run's directory and raw inputs to classes and probabilities, or quantities; nothing is ever unpickled."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from regimens.core.errors import UserError
from regimens.core.imports import import_packages
from regimens.core.plugins import listed, permit, permit_own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from torch import Tensor, nn

    from regimens.data.arrays import Array
    from regimens.data.inputs import Inputs
    from regimens.data.targets import Targets


# Of the data's configuration, what says how files are read.
READING = ("separator", "encoding", "missing", "size", "channels")


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a trained network takes and answers: the names of the task's classes in the order of their labels, or the
    quantities that it predicts."""

    inputs: "Inputs"
    classes: tuple[str, ...]
    targets: "Targets | None" = None


@dataclass(frozen=True, kw_only=True)
class Model(Interface):
    """A trained network. `target` is the column of a table that held the classes in training, None without a table;
    `reading` says how files are read."""

    net: "nn.Module"
    target: str | None = None
    reading: "Mapping[str, Any]" = field(default_factory=dict)

    def probabilities(self, x: "Array | pd.DataFrame") -> "Array":
        """(N, classes) probabilities of raw inputs (N, ...), or of the rows of a table, prepared as in training.

        Raises UserError where an example has another shape than in training, or holds what no training example can, as
        `codes` does, and where the network predicts quantities.
        """
        import numpy as np
        import torch

        if self.targets is not None:
            raise UserError(f"the network predicts {', '.join(self.targets.names)} and no classes: ask for its values")
        logits = self._outputs(x)
        if logits.shape[1] > 1:
            return self._finite(np.asarray(logits.softmax(1)))
        positive = logits.sigmoid()
        return self._finite(np.asarray(torch.cat([1 - positive, positive], 1)))

    def values(self, x: "Array | pd.DataFrame") -> "Array":
        """(N, quantities) of raw inputs or rows of a table, in training's unit; raises UserError as `probabilities`."""
        if self.targets is None:
            raise UserError(f"the network names classes ({', '.join(self.classes[:8])}) and predicts no quantities")
        return self._finite(self.targets.restored(self._outputs(x).numpy()))

    def _outputs(self, x: "Array | pd.DataFrame") -> "Tensor":
        import pandas as pd
        import torch

        raw = self.inputs.checked(self.codes(x, "the table")[0] if isinstance(x, pd.DataFrame) else x)
        with torch.no_grad():
            return torch.cat([self.net(torch.from_numpy(self.inputs.features(part))) for part in _parts(raw)])

    def _finite(self, found: "Array") -> "Array":
        import numpy as np

        odd = ~np.isfinite(found).all(axis=1)
        if odd.any():
            row = int(odd.argmax()) + 1
            raise UserError(f"the network has no answer for row {row}: its numbers are too far from those of training")
        return found

    def predict(self, x: "Array | pd.DataFrame") -> "Array":
        """(N,) the likeliest class of each example, by name: of raw inputs (N, ...), or of the rows of a table.

        Of a network for quantities, (N,) its values in their unit, or (N, quantities) where there are several.
        Raises UserError as `probabilities` and `codes` do.
        """
        import numpy as np

        if self.targets is not None:
            values = self.values(x)
            return values[:, 0] if values.shape[1] == 1 else values
        return np.asarray(self.classes)[self.probabilities(x).argmax(1)]

    def answers(self, x: "Array | pd.DataFrame") -> "pd.DataFrame":
        """A row for each raw input: its quantities by name, or its likeliest class and the probability of each."""
        return answers(self, self.probabilities(x) if self.targets is None else self.values(x))

    def codes(self, table: "pd.DataFrame", where: str) -> "tuple[Array, list[str]]":
        """The inputs that a table's rows are, and warnings; columns are found by name, others are left out.

        A network that was not trained on a table takes every column but the target, in order. Raises UserError, in one
        line, for all columns that are missing or hold what training would have refused.
        """
        from regimens.data import table as tables

        columns = self.inputs.columns or tables.numeric(table, self.target, where)
        return tables.select(table, columns, where)

    def warnings(self, x: "Array") -> list[str]:
        """Sentences about inputs that are unlike those of training."""
        return self.inputs.unlike(x)


def interface(directory: Path) -> Interface:
    """What the network of a run's directory takes and answers; without torch, so it is quick.

    Raises UserError where its description is missing or damaged.
    """
    from regimens.data.inputs import restored
    from regimens.data.targets import read as read_targets

    about, statistics = _inputs(directory)
    try:
        inputs = restored(about["inputs"], about["scale"], statistics)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{directory} is of an earlier version: train again") from error
    targets = None if (told := about.get("targets")) is None else read_targets(told)
    return Interface(inputs=inputs, classes=tuple(about["classes"]), targets=targets)


def load(directory: Path, weights: str = "final", fused: bool = True, plugins: "Sequence[str] | None" = None) -> Model:
    """The network of a run's directory, its `final` or `best` weights, batch normalisation folded in where `fused`.

    plugins: the packages that a network of the user's own may be imported from; None: those that the run names, where
    they lie in the current directory or on PYTHONPATH.
    Raises UserError where something is missing, damaged, or does not fit together.
    """
    import_packages("torch")
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    from regimens.nets.fuse import fuse

    known = interface(directory)
    config: dict[str, Any] = OmegaConf.to_container(OmegaConf.load(part(directory, "config.yaml")))  # type: ignore[assignment]
    path = part(directory, f"{weights}.safetensors")
    try:
        (permit_own if plugins is None else permit)(config.get("plugins") if plugins is None else plugins)
        net = _network(config, known.inputs, _inputs(directory)[0]["n_outputs"])
        net.load_state_dict(load_file(path))
    except UserError:
        raise
    except Exception as error:
        message = str(error).splitlines()[0]
        raise UserError(f"{path}: not the weights of the network in config.yaml: {message}") from error
    net.eval()
    return Model(
        **vars(known),
        net=fuse(net) if fused else net,
        target=None if config["data"].get("target") is None else str(config["data"]["target"]),
        reading={key: config["data"][key] for key in READING if key in config["data"]},
    )


def plugins_of(directory: Path) -> list[str]:
    """The packages that the network of a run's directory may be imported from, as its configuration has them."""
    from omegaconf import OmegaConf

    config: Any = OmegaConf.to_container(OmegaConf.load(part(directory, "config.yaml")))
    return listed(config.get("plugins"))


def check_weights(directory: Path, weights: str = "final") -> None:
    """Raise UserError where a run's file of weights is missing or no whole file of tensors; without torch."""
    from safetensors import SafetensorError, safe_open

    path = part(directory, f"{weights}.safetensors")
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not the weights of the network in config.yaml: {error}") from error


class Raw(NamedTuple):
    """Raw inputs (N, ...), sentences to warn of, and, where each came from a file of its own, these files' names."""

    x: "Array"
    warnings: "Sequence[str]" = ()
    files: "Sequence[str]" = ()


def read_inputs(path: Path, model: Model, key: str = "X") -> Raw:
    """Raw inputs for `model`: an array of an .npz or .npy file, the rows of a table, a picture or a folder of pictures.

    Of an .npz, `key` names the array; without one of this name, the only one that fits is taken.
    Raises UserError for a missing file, key or column, and for what training would have refused.
    """
    from regimens.data import cells, kinds, npz, pictures, quoting

    if path.is_dir() or path.suffix.lower() in pictures.ENDINGS:
        return _pictures(path, model)
    if path.suffix.lower() not in (".npz", ".npy"):
        told = [str(model.reading.get(name, "auto")) for name in ("separator", "encoding")]
        try:
            found = cells.read(path, *told)
        except UserError:
            found = cells.read(path)  # it is written otherwise than the file of training
        table = kinds.blanked(found.table, quoting.listed(model.reading.get("missing"), "data.missing"))
        return Raw(*model.codes(table, str(path)))
    arrays = npz.read(path)
    if key not in arrays:
        key = _fitting(arrays, model, key, path)
    x = arrays[key]
    if model.inputs.columns and x.ndim == 2:
        return Raw(*model.codes(_named(x, model), f"{path}: {key}"))
    return Raw(model.inputs.checked(x))


def _pictures(path: Path, model: Model) -> Raw:
    """Pictures as training took them: brought to its size and channels where it was told to, otherwise of them."""
    from regimens.data import pictures

    shape = model.inputs.shape
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
        raise UserError(f"{path}: the network was trained on examples of shape {shape}, and not on pictures")
    files = pictures.listed(path) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} has no pictures: {', '.join(sorted(pictures.ENDINGS))}")
    channels = 3 if len(shape) == 3 else 1
    given, recolor = (model.reading.get(name) is not None for name in ("size", "channels"))
    form = pictures.Form((shape[0], shape[1]), channels, resize=given, recolor=recolor or channels == 3)
    pictures.refuse_too_many(len(files), form)
    names = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
    return Raw(pictures.read(files, form), (), names)


def _fitting(arrays: "Mapping[str, Array]", model: Model, key: str, path: Path) -> str:
    """The only array of an .npz whose examples are as wide as those of training."""
    import math

    wanted = math.prod(model.inputs.shape)
    fit = [name for name, x in arrays.items() if x.ndim > 1 and math.prod(x.shape[1:]) == wanted]
    if len(fit) == 1:
        return fit[0]
    choice = f"choose with --key {fit[0]}" if fit else "choose with --key"
    raise UserError(f"{path} has no {key}: it holds {', '.join(sorted(arrays)) or 'nothing'}; {choice}")


def _named(x: "Array", model: Model) -> "pd.DataFrame":
    """A matrix as a table with the columns of training, in their order."""
    import pandas as pd

    names = model.inputs.names
    if x.shape[1] != len(names):
        raise UserError(f"the inputs have {x.shape[1]} columns; the network was trained on {', '.join(names)}")
    return pd.DataFrame(x, columns=names)


def answers(known: Interface, found: "Array") -> "pd.DataFrame":
    """The table that a network answers with, of (N, classes) probabilities or (N, quantities) values."""
    import pandas as pd

    if known.targets is not None:
        return pd.DataFrame(found.astype(float), columns=list(known.targets.names))
    table = pd.DataFrame(found.astype(float), columns=[f"p({name})" for name in known.classes])
    table.insert(0, "class", [known.classes[row] for row in found.argmax(1)])
    return table


def write(answered: "pd.DataFrame", path: Path, files: "Sequence[str]" = ()) -> None:
    """Write `Model.answers`: a row for each example, its number from 0 first.

    Where examples have `files` of their own, their names come last.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["row", *answered.columns, *(["file"] if files else [])])
        for row, values in enumerate(answered.itertuples(index=False, name=None)):
            told = [f"{value:.6g}" if isinstance(value, float) else value for value in values]
            table.writerow([row, *told, *files[row : row + 1]])


def _network(config: dict[str, Any], inputs: "Inputs", n_outputs: int) -> "nn.Module":
    """The network that a configuration describes, its weights yet to be loaded."""
    from regimens.core.build import make
    from regimens.nets.compose import network

    return network(
        config,
        n_inputs=inputs.width,
        n_outputs=n_outputs,
        shape=inputs.shape,
        regularization=make({**config["regularization"], "patience": 0}),  # which may be a share of a training
    )


def _inputs(directory: Path) -> tuple[dict[str, Any], dict[str, "Array"]]:
    """What `artifacts.save_inputs` wrote."""
    from safetensors import SafetensorError, safe_open

    path = part(directory, "inputs.safetensors")
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata()
            about = {"scale": told["scale"], **json.loads(told["regimens"])}
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: train again") from error


def part(directory: Path, name: str) -> Path:
    """The file `name` of a run; raises UserError where it is missing."""
    path = directory / name
    if not path.is_file():
        raise UserError(f"{directory} has no {name}: it is no finished run, or one of an earlier version; train again")
    return path


def _parts(x: "Array") -> list["Array"]:
    return [x[start : start + 4096] for start in range(0, len(x), 4096)]
