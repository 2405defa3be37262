"""From a trained run's directory and raw inputs to classes and probabilities; nothing is ever unpickled."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.delivery import MARK, delivered
from regimens.errors import UserError
from regimens.heavy import bring

if TYPE_CHECKING:
    from regimens.data.arrays import Array
    from regimens.data.scaling import Scale
    from regimens.nets.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a trained network takes and what it answers.

    `classes` are the names of the task's classes in the order of their labels; `features` are the columns of the table
    that it was trained on, in their order, empty where it was no table.
    """

    scale: "Scale"
    n_inputs: int
    classes: tuple[str, ...]
    features: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Model(Interface):
    """A trained network. `target` is the column of a table that held the classes in training, None without a table."""

    net: "MLP"
    target: str | None = None
    separator: str = ","

    def probabilities(self, x: "Array") -> "Array":
        """(N, classes) probabilities of raw inputs (N, ...), scaled as in training.

        Raises UserError where an example has another number of features than in training, or is scaled already.
        """
        import numpy as np
        import torch

        if not len(x):
            raise UserError("the inputs have no rows")
        width = int(np.prod(x.shape[1:]))
        if width != self.n_inputs:
            raise UserError(
                f"the inputs have shape {x.shape}, {width} features each; the network was trained on {self.n_inputs}"
            )
        if self.scale.maximum is not None and (x != np.floor(x)).any():
            raise UserError(f"the inputs hold fractions; the network was trained on levels 0 to {self.scale.maximum:g}")
        with torch.no_grad():
            logits = torch.cat([self.net(torch.from_numpy(self.scale(part))) for part in _parts(x)])
            if logits.shape[1] > 1:
                return np.asarray(logits.softmax(1))
            positive = logits.sigmoid()
            return np.asarray(torch.cat([1 - positive, positive], 1))


def find(run: str, runs: Path) -> Path:
    """The directory of a run: `run` itself, or the one under `runs` that was tracked under this MLflow run id.

    Raises UserError where there is none.
    """
    if Path(run).is_dir():
        return Path(run)
    for mark in sorted(runs.rglob(MARK)):
        if delivered(mark.parent) == run:
            return mark.parent
    raise UserError(f"{run}: no such directory, and no run under {runs} has this MLflow run id")


def interface(directory: Path) -> Interface:
    """What the network of a run's directory takes and answers; without torch, so it is quick.

    Raises UserError where its description is missing or damaged.
    """
    from regimens.data.scaling import restored

    about, statistics = _inputs(directory)
    return Interface(
        scale=restored(about["scale"], statistics),
        n_inputs=about["n_inputs"],
        classes=tuple(about["classes"]),
        features=tuple(about.get("features", ())),
    )


def load(directory: Path, weights: str = "final", fused: bool = True) -> Model:
    """The network of a run's directory, its `final` or `best` weights, batch normalisation folded in where `fused`.

    Raises UserError where something is missing, damaged, or does not fit together.
    """
    bring("torch")
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    from regimens.nets.fuse import fuse

    known = interface(directory)
    config: dict[str, Any] = OmegaConf.to_container(OmegaConf.load(part(directory, "config.yaml")))  # type: ignore[assignment]
    path = part(directory, f"{weights}.safetensors")
    try:
        net = _network(config, known.n_inputs, _inputs(directory)[0]["n_outputs"])
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
        target=config["data"].get("target"),
        separator=config["data"].get("separator", ","),
    )


def check_weights(directory: Path, weights: str = "final") -> None:
    """Raise UserError where a run's file of weights is missing or no whole file of tensors; without torch."""
    from safetensors import SafetensorError, safe_open

    path = part(directory, f"{weights}.safetensors")
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not the weights of the network in config.yaml: {error}") from error


def read_inputs(path: Path, model: Model, key: str = "X") -> "Array":
    """Raw inputs (N, ...) for `model`: the array `key` of an .npz, or the columns that it was trained on of a .csv.

    A network that was not trained on a table takes every column of a .csv, in order.
    Raises UserError for a missing file, key or column, and for what is no finite number.
    """
    from regimens.data import table
    from regimens.data.arrays import inputs
    from regimens.data.sources import read_npz

    if path.suffix == ".csv":
        rows = table.read(path, model.separator)
        names = model.features or [name for name in rows.columns if name != model.target]
        return table.features(table.select(rows, names, path), path)
    found = read_npz(path)
    if key not in found:
        raise UserError(f"{path} has no {key}: it holds {', '.join(sorted(found)) or 'nothing'}; choose with --key")
    return inputs(found[key], f"{path}: {key}")


def write(classes: tuple[str, ...], probabilities: "Array", path: Path) -> None:
    """Write a row for each example: its number from 0, its likeliest class, and the probability of each class."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["row", "class", *(f"p({name})" for name in classes)])
        for row, values in enumerate(probabilities):
            table.writerow([row, classes[int(values.argmax())], *(f"{value:.6g}" for value in values)])


def _network(config: dict[str, Any], n_inputs: int, n_outputs: int) -> "MLP":
    """The network that a configuration describes, its weights yet to be loaded."""
    from regimens.build import build, make

    hidden = make(config["transfer"]).hidden(config["model"]["hidden"])
    net: MLP = make(
        {**config["model"], "hidden": hidden},
        n_inputs=n_inputs,
        n_outputs=n_outputs,
        init=build(config["init"]),
        activation=build(config["activation"]),
        norm=make(config["norm"]),
        regularization=make({**config["regularization"], "patience": 0}),  # which may be a share of a training
    )
    return net


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
