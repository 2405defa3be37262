"""From a composed configuration to its network: the part of the composition that training and prediction share.

A network of the catalogue takes every technique. One of the user's own takes those that its constructor names, by the
names in `TAKEN`; of the others, initialisation is applied from outside, and those that cannot be are refused.
"""

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from regimens.core.build import build, label, locate, make
from regimens.core.errors import UserError
from regimens.nets.dropout import Dropout
from regimens.nets.initializers import Initializer, initialize, keeps
from regimens.nets.layout import Layout, picture_of
from regimens.nets.mlp import KERNELS, blocks_of, kernels
from regimens.nets.resnet import stages

OURS = "regimens."
# What a constructor of the user's own may ask for by name.
TAKEN = (
    *("n_inputs", "n_outputs", "shape", "generator", "init", "activation", "norm"),
    *("regularization", "dropout", "alpha_dropout"),
)
# conf/model/mlp.yaml, where `model._target_=` on the command line starts from, and what scale=desk makes of it.
LEFT_OVER = ([300, 100], [100, 50])


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether the network is none of the catalogue's."""
    return not str(config["model"].get("_target_")).startswith(OURS)


def network(
    config: Mapping[str, Any],
    *,
    n_inputs: int,
    n_outputs: int,
    shape: Sequence[int],
    regularization: Any,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The network that a resolved configuration describes, initialised from `generator`; not yet transferred to.

    shape: of one example as the data have it; `n_inputs` numbers. Raises UserError where a technique cannot be applied.
    """
    given = {
        "n_inputs": n_inputs, "n_outputs": n_outputs, "generator": generator, "init": build(config["init"]),
        "activation": build(config["activation"]), "norm": make(config["norm"]), "regularization": regularization,
    }  # fmt: skip
    if is_own(config):
        return _own(config, {**given, "shape": tuple(shape)}, _row(shape, n_inputs))
    if "shape" in constructor(config["model"]):
        given["shape"] = tuple(shape)
    net: nn.Module = make(_sized(config), **given)
    return net


def _sized(config: Mapping[str, Any]) -> dict[str, Any]:
    """The model's node, with the hidden layers that transfer leaves it: convolutions first, then dense layers."""
    node, transfer = dict(config["model"]), make(config["transfer"])
    if "blocks" in node:  # stages of equal blocks, none of which can be left out
        fixed = 1 + len(stages(node["widths"], node["blocks"]))
        kept = transfer.hidden([*[0] * fixed, *node["hidden"]])
        if len(kept) < fixed:
            raise UserError(
                f"transfer.top=drop leaves out dense layers alone, and there are {fixed} blocks before them: "
                f"reuse {fixed} or more, or transfer.top=replace"
            )
        return {**node, "hidden": kept[fixed:]}
    first = node.get("layers", [])
    kept = transfer.hidden([*first, *node["hidden"]])
    return {**node, **({"layers": kept[: len(first)]} if first else {}), "hidden": kept[len(first) :]}


def _row(shape: Sequence[int], n_inputs: int) -> tuple[int, ...]:
    """The shape in which a network of the user's own gets an example: (C, H, W) of a picture, else (D,)."""
    found = picture_of(shape)
    return found if found and found[0] * found[1] * found[2] == n_inputs else (n_inputs,)


def _own(config: Mapping[str, Any], given: dict[str, Any], row: tuple[int, ...]) -> nn.Module:
    node = dict(config["model"])
    names = constructor(node)
    if node.get("hidden") in LEFT_OVER and "hidden" not in names:
        del node["hidden"]
    regularization = given["regularization"]
    given |= {name: getattr(regularization, name) for name in ("dropout", "alpha_dropout")}
    refused = [*unable(config, names)]
    if refused:
        raise UserError(f"{label(node)}: {refused[0]}")
    taken = {name: given[name] for name in names if name in TAKEN and name not in node}
    if "shape" in taken:
        taken["shape"] = row
    try:
        net = make(node, **taken)
    except UserError:
        raise
    except Exception as err:
        raise UserError(f"{label(node)}: its constructor fails: {said(err)}") from err
    if not isinstance(net, nn.Module):
        raise UserError(f"{label(node)}: gives {type(net).__name__}, which is no torch.nn.Module")
    found = kernels(net)
    if not found and (regularization.penalises or regularization.constrains):
        raise UserError(f"{label(node)}: has no Linear or Conv layer whose weights could be penalised or bounded")
    if "init" not in names:
        _initialize(net, given["init"], given["generator"])
    if wanting := next(unused(config, net), ""):
        raise UserError(f"{label(node)}: {wanting}")
    if len(row) == 3:
        net.register_forward_pre_hook(Shaped(given["shape"]))
    _try(net, node, given["n_inputs"], given["n_outputs"])
    return net


def _initialize(net: nn.Module, init: Initializer, generator: torch.Generator | None) -> None:
    """Draw the weights of all Linear and Conv layers that learn, and set their biases to zero."""
    if keeps(init):
        return
    for layer in net.modules():
        if isinstance(layer, KERNELS) and layer.weight.requires_grad:
            initialize(layer.weight, init, generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def unused(config: Mapping[str, Any], net: nn.Module) -> Iterator[str]:
    """Why each technique that was asked for has nothing to act on in a network of the user's own."""
    layer = config["norm"]["layer"]
    if layer.get("_target_") != "torch.nn.Identity":
        kind = locate(str(layer["_target_"]))
        if not any(isinstance(module, kind) for module in net.modules() if isinstance(kind, type)):
            yield f"takes a norm and builds no layer of it, so norm={_told(layer)} would have no effect"
    if config["regularization"].get("mc_samples") and not any(isinstance(one, Dropout) for one in net.modules()):
        yield "has no layer of regimens.nets.dropout.Dropout, which regularization.mc_samples needs"
    transfer = str(config["transfer"].get("_target_"))
    if not transfer.endswith(".NoTransfer"):
        if not transfer.endswith(".FromA") or config["transfer"].get("top") == "drop":
            yield f"transfer={_told(config['transfer'])} in this form is for networks of the catalogue"
        elif int(config["transfer"]["reuse"]) >= len(blocks_of(net)):
            yield (
                f"transfer.reuse={config['transfer']['reuse']}: there are {len(blocks_of(net)) - 1} blocks to reuse; "
                "transfer needs an attribute `layers`, an nn.ModuleList of the blocks in order, the output layer last"
            )
    if config.get("probe") == "gradients":
        yield "probe=gradients looks at the blocks of the catalogue's networks"


def constructor(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that the target of a node takes."""
    return tuple(inspect.signature(locate(str(node["_target_"]))).parameters)


def unable(config: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Why each technique that a constructor with these names cannot be given, and that is asked for, is refused."""

    def missing(group: str, asked: str) -> str:
        return f"its constructor takes no {group}, so {asked} would have no effect; add the argument, or leave it out"

    if "activation" not in names and config["activation"].get("_target_") != "torch.nn.ReLU":
        yield missing("activation", f"activation={_told(config['activation'])}")
    norm = config["norm"]
    if norm["layer"].get("_target_") != "torch.nn.Identity":
        if "norm" not in names:
            yield missing("norm", f"norm={_told(norm['layer'])}")
        if norm.get("position", "after") != "after":
            yield "norm.position=before would have no effect: the network itself places its norms"
        if norm.get("input"):
            yield "norm.input=true would have no effect: the network itself places its norms"
    for name in ("dropout", "alpha_dropout"):
        rate = config["regularization"].get(name)
        if rate and name not in names and "regularization" not in names:
            yield missing(name, f"regularization.{name}={rate}")


def _told(node: Mapping[str, Any]) -> str:
    return str(node.get("_target_", "")).rpartition(".")[2]


class Shaped:
    """A forward hook that gives a module rows (N, D) as pictures (N, C, H, W)."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.layout = Layout(shape)

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The module's inputs, the first of which is laid out."""
        return (self.layout(inputs[0]), *inputs[1:])


def _try(net: nn.Module, node: Mapping[str, Any], n_inputs: int, n_outputs: int) -> None:
    """Raise UserError where two examples do not give logits (2, n_outputs)."""
    training = net.training
    net.eval()
    try:
        with torch.no_grad():
            found = net(torch.zeros(2, n_inputs))
    except Exception as err:
        raise UserError(f"{label(node)}: fails on two examples: {said(err)}") from err
    finally:
        net.train(training)
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != (2, n_outputs):
        raise UserError(
            f"{label(node)}: gives {shape} for two examples; needed are {n_outputs} outputs, (2, {n_outputs})"
        )


def said(err: Exception) -> str:
    """An exception in one line, with the place in the user's file."""
    at = traceback.extract_tb(err.__traceback__)[-1]
    first = (str(err).splitlines() or [""])[0]
    return f"{type(err).__name__}: {first} ({Path(at.filename).name}, line {at.lineno})"
