"""Optimisers by configuration: those of the catalogue and of torch, and the user's own, which are checked when made.

An optimiser's constructor is given the parameters that learn, first, and `lr`. One of the user's own may also name
`net`, to split parameters by their layers.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regimens.core.build import build, explained, locate
from regimens.core.errors import UserError
from regimens.nets.compose import said

# Where the optimisers of the catalogue are.
KNOWN = ("regimens.", "torch.", "schedulefree.")
# conf/optimizer/sgd.yaml, which is where `optimizer._target_=` on the command line starts from.
LEFT_OVER = {"name": "SGD", "lr": 0.01}


def maker(node: Mapping[str, Any], net: nn.Module) -> Callable[[list[Tensor], float | None], torch.optim.Optimizer]:
    """`make(parameters, lr)`; lr None: the optimiser's own.

    Raises UserError where the node is wrong, and `make` where what it gives cannot train `parameters`.
    """
    target = str(node["_target_"])
    names = inspect.signature(locate(target)).parameters
    own = not target.startswith(KNOWN)
    if own:
        node = {key: value for key, value in node.items() if key in names or LEFT_OVER.get(key) != value}
    factory = build(node)
    given = {"net": net} if own and "net" in names else {}

    def make(parameters: list[Tensor], lr: float | None) -> torch.optim.Optimizer:
        if lr is not None and "lr" not in names:
            raise UserError(f"{target}: takes no lr, and transfer.lr={lr} would have no effect")
        inside = {id(p) for p in net.parameters()}
        if given and any(id(p) not in inside for p in parameters):
            raise UserError(f"{target}: takes net, and transfer=autoencoder trains a decoder that is not part of it")
        rate = {} if lr is None else {"lr": lr}
        if not own:
            with explained(node):
                found: torch.optim.Optimizer = factory(parameters, **rate)
        else:
            try:
                found = factory(parameters, **rate, **given)
            except UserError:
                raise
            except Exception as err:
                raise UserError(f"{target}: its constructor fails: {said(err)}") from err
        if not str(target).startswith("regimens."):
            _check(target, found, parameters, net)
        return found

    return make


def _check(target: str, found: object, parameters: Sequence[Tensor], net: nn.Module) -> None:
    """Raise UserError where an optimiser cannot train all of `parameters`, one step for each mini-batch."""
    if not isinstance(found, torch.optim.Optimizer):
        raise UserError(f"{target}: gives {type(found).__name__}, which is no torch.optim.Optimizer")
    if any("lr" not in group for group in found.param_groups):
        raise UserError(f"{target}: has a group of parameters without lr, which schedules move and results tell")
    needed = [p for p in inspect.signature(found.step).parameters.values() if p.default is p.empty]
    if any(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in needed):
        raise UserError(f"{target}: its step() needs {needed[0].name}; a step here has gradients and nothing else")
    taken = {id(p) for group in found.param_groups for p in group["params"]}
    left = [p for p in parameters if id(p) not in taken]
    if left:
        names = {id(p): name for name, p in net.named_parameters()}
        first = names.get(id(left[0]), "one of the decoder's")
        many = f"{len(left)} of {len(parameters)} parameters"
        raise UserError(f"{target}: leaves out {many}, such as {first}, which would never learn")
    if modes(found) and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules()):
        raise UserError(
            f"{target}: evaluates with other weights than it trains with, to which batch norm's statistics do not "
            "belong: norm=layer, or none"
        )


def modes(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser has other weights in evaluation, as schedule-free ones: `train()` and `eval()` swap them."""
    return callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))


def to_train(optimizer: torch.optim.Optimizer, training: bool) -> None:
    """Put the weights that are trained, or else those that are judged, into the network, where the two differ."""
    if modes(optimizer):
        (optimizer.train if training else optimizer.eval)()  # type: ignore[attr-defined]
