"""Which engine trains what: a rule on the regimen, on the trials beside it in the study, and on the hardware.

Never on what a cache holds, how many workers there are or how busy the machine is: the engine is part of a study's
identity, since engines differ in rounding. Must not import torch: the parent process calls this while it plans a study.
"""

import copy
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from regimens.core.hashing import digest
from regimens.training.engines import compiler
from regimens.trial.regimen import regimen_of

# The networks that a fleet stacks: mapped over trials, a convolution takes longer than the trials one by one.
STACKED = "regimens.nets.mlp.MLP"
# The losses that compiled code and fleets can step.
LOSSES = tuple(
    f"regimens.training.losses.{name}" for name in ("CrossEntropy", "SquaredError", "AbsoluteError", "Huber")
)
# The optimiser of the catalogue that is no single rule.
MUON = "regimens.training.muon.Muon"
# Settings of Lightning's trainer that a fleet supports; with any other setting a trial trains on its own.
TRAINER = ("_target_", "accelerator", "devices", "logger", "num_sanity_val_steps")
# Largest fleet, in trials; on a processor more gain little.
FLEET = {"cpu": 16, "gpu": 512}
# Bytes of a GPU's memory that a fleet may fill: parameters, gradients, optimiser state, and as much again in passing.
GPU_MEMORY = 8 * 2**30
# On a processor, up to this many multiplications a step (weights * batch), calls cost more than arithmetic.
SMALL = 2_500_000
# Smallest fleet, in trials of one shape, that repays its overhead: per core on a processor, per GPU.
FEWEST = {"cpu": 4, "gpu": 2}
# Steps that repay tracing and compiling one shape in one process: on a processor 10 s for 0.3 ms saved per step.
PREPARED = {"cpu": 60_000, "gpu": 10_000}
# Steps of one trial on mini-batches of one size from which on a fleet's trials have such a step compiled: 4 s, kept on
# disk. Never by how many trials there are: compiled and traced code differ in rounding.
COMPILED = 300
# Parts of a shape that change nothing of a network's compiled code.
NO_CODE = ("optimizer", "epochs", "average", "transfer")


@dataclass(frozen=True)
class Size:
    """What follows from data set and task: training examples, network inputs and outputs, and for quantities their
    standard deviation."""

    examples: int
    inputs: int
    outputs: int
    spread: float = 0.0


def count_weights(config: Mapping[str, Any], size: Size) -> int:
    """How many weights the network has, biases and norms aside."""
    widths = [size.inputs, *config["model"].get("hidden", ()), size.outputs]
    return sum(a * b for a, b in pairwise(widths))


def machine_cores() -> int:
    """How many processor cores the machine has, including those that this process may not use."""
    return os.cpu_count() or 1


def kind_of_device(config: Mapping[str, Any]) -> str:
    """Where the trainer trains: "cpu" or "gpu"."""
    return "cpu" if config["trainer"].get("accelerator") == "cpu" else "gpu"


def capacity(config: Mapping[str, Any], size: Size, candidates: int) -> int:
    """How many trials a fleet of this network has at most, of `candidates` that could be in one.

    On a processor one fleet per core, so that every worker is busy, unless they would be smaller than FEWEST.
    """
    device = kind_of_device(config)
    if device == "cpu":
        return min(FLEET["cpu"], max(FEWEST["cpu"], math.ceil(candidates / machine_cores())))
    return max(1, min(FLEET["gpu"], GPU_MEMORY // (count_weights(config, size) * 4 * 10)))


@dataclass(frozen=True)
class Planned:
    """Trials of one configuration: how many there are at least, and how many of them train at once."""

    config: Mapping[str, Any]
    size: Size
    trials: int = 1
    at_once: float = 1

    @property
    def steps(self) -> int:
        """Of all of them."""
        return self.trials * self.config["epochs"] * math.ceil(self.size.examples / self.config["batch_size"])


def choose(planned: Sequence[Planned]) -> list[str]:
    """The engine of each of a study's cells: what it asks for, or what `engine=auto` takes.

    Trials of one shape are a fleet where enough of them train at once; what they share is compiled once for all.
    """
    shapes = [shape_of(one.config) for one in planned]
    alike: dict[str, list[Planned]] = {}
    for one, shape in zip(planned, shapes, strict=True):
        alike.setdefault(digest(shape), []).append(one)
    works: dict[str, compiler.Work] = {}
    engines, networks = [], []
    for one, shape in zip(planned, shapes, strict=True):
        asked = str(one.config["engine"])
        engine = asked if asked != "auto" else "fleet" if _is_fleet(one, alike[digest(shape)]) else "eager"
        network = ""
        if asked == "auto" and engine == "eager" and _can_be_compiled(one.config):
            network = digest({key: value for key, value in shape.items() if key not in NO_CODE})
            work = works.setdefault(network, compiler.Work(len(one.config["model"]["hidden"]) + 1))
            work.add(one.steps, str(one.config["optimizer"]["_target_"]).rpartition(".")[2])
        engines.append(engine)
        networks.append(network)
    repaid = dict(zip(works, compiler.repaid(list(works.values()), machine_cores()), strict=True))
    return ["compiled" if repaid.get(network) else engine for network, engine in zip(networks, engines, strict=True)]


def _is_fleet(one: Planned, alike: Sequence[Planned]) -> bool:
    """Whether trials are trained together with those `alike`."""
    config, device = one.config, kind_of_device(one.config)
    if config["model"].get("_target_") != STACKED:
        return False
    small = device == "gpu" or count_weights(config, one.size) * config["batch_size"] <= SMALL
    # Each core's worker may have to trace and compile for itself.
    places = machine_cores() if device == "cpu" else 1
    at_once, steps = sum(other.at_once for other in alike), sum(other.steps for other in alike)
    enough = at_once >= FEWEST[device] * places and steps >= PREPARED[device] * places
    return small and enough and not fleet_obstacle(config)


def _can_be_compiled(config: Mapping[str, Any]) -> bool:
    """Whether `engine=auto` may compile this: to compile two convolutions took two minutes."""
    return config["model"].get("_target_") == STACKED and kind_of_device(config) == "cpu" and not obstacle(config)


def repays_compiling(epochs: int, examples: int, batch_size: int, size: int) -> bool:
    """Whether a fleet's trial on a processor has its steps on mini-batches of `size` examples compiled."""
    a_whole, rest = divmod(examples, batch_size)
    an_epoch = a_whole if size == batch_size else int(size == rest)
    return epochs * an_epoch >= COMPILED and compiler.find() is not None


def obstacle(config: Mapping[str, Any]) -> str:
    """Why a regimen's step cannot be compiled or mapped, judged by its configuration; empty where it can.

    Used without torch while a study is planned; the built parts are checked again by `engine.not_functional`.
    """
    if config["probe"] != "none":
        return f"probe={config['probe']} looks at single steps"
    for part in ("optimizer", "clip"):
        if not str(config[part]["_target_"]).startswith("regimens."):
            return f"{config[part]['_target_']} is not one of the catalogue's own"
    if config["loss"]["_target_"] not in LOSSES:
        return f"loss: {str(config['loss']['_target_']).rpartition('.')[2]} steps eagerly alone"
    if str(config["optimizer"]["_target_"]) == MUON:
        return "Muon moves some parameters by one rule and some by another"
    if config["regularization"].get("mixup"):
        return "mixup draws anew how much it mixes in each step"
    if "RReLU" in str(config["activation"].get("_target_")):
        return "rrelu draws its slopes inside the activation"
    return ""


def fleet_obstacle(config: Mapping[str, Any]) -> str:
    """Why a regimen cannot be in a fleet, judged by its configuration; empty where it can."""
    if why := obstacle(config):
        return why
    if config["model"].get("_target_") != STACKED:
        return f"a fleet stacks multilayer perceptrons, and {config['model'].get('_target_')} is none"
    if config.get("metrics"):
        return f"metrics={config['metrics']} are of outputs that a fleet does not keep"
    trainer = config["trainer"]
    if extra := [key for key in trainer if key not in TRAINER and not key.startswith("enable_")]:
        return f"trainer.{extra[0]} is for one trial"
    if trainer["devices"] != 1 or trainer["accelerator"] not in ("cpu", "gpu", "cuda"):
        return "a fleet is trained on one device"
    return ""


def shape_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a regimen that all trials of a fleet share; numbers that may differ are left out."""
    regimen = regimen_of(config)
    shape = copy.deepcopy(regimen)
    for part in ("init", "scheduler", "restore", "engine"):
        shape.pop(part, None)
    for part in ("optimizer", "clip"):
        shape[part] = regimen[part]["_target_"]
    held = regimen["regularization"]
    shape["regularization"] = {
        name: float(held.get(name) or 0) > 0 for name in ("l1", "l2", "dropout", "alpha_dropout")
    }
    shape["regularization"]["max_norm"] = float(held["max_norm"]) < math.inf
    return shape
