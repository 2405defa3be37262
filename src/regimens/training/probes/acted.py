"""For each technique, whether and how often it had an effect: what never acted is reported so, not as a result."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from operator import gt
from typing import Any

import torch
from torch import Tensor, nn

from regimens.nets.dropout import AlphaDropout, Dropout
from regimens.nets.mlp import blocks_of, kernels
from regimens.training.regularization import Regularization

Report = dict[str, dict[str, Any]]
DROPOUTS: dict[str, type[Dropout]] = {"dropout": Dropout, "alpha_dropout": AlphaDropout}
# What a network of the user's own may have in their place.
TORCH: dict[type[Dropout], type[nn.Module]] = {Dropout: nn.Dropout, AlphaDropout: nn.AlphaDropout}


class Actions:
    """Counters that the training loop feeds; tensors stay on their device until `report` reads them."""

    def __init__(self) -> None:
        self.steps = 0
        self.lowest_lr, self.highest_lr, self.last_lr, self.first_lr = float("inf"), 0.0, 0.0, 0.0
        self.reductions = 0
        # The epoch whose weights the network was left with, and how far the averaged weights were from the last ones.
        self.kept, self.averaged = 0, 0.0
        self._clipped: Tensor | float = 0.0
        self._constrained: Tensor | float = 0.0
        self._mixed = 0.0
        self._penalty_share = 0.0

    def lr(self, lr: float, steps: int = 1) -> None:
        """`steps` steps are about to be taken at learning rate `lr`."""
        if self.steps == 0:
            self.first_lr = self.last_lr = lr
        elif lr < self.last_lr:
            self.reductions += 1
        self.steps += steps
        self.last_lr = lr
        self.lowest_lr = min(self.lowest_lr, lr)
        self.highest_lr = max(self.highest_lr, lr)

    def lrs(self, rates: Sequence[float]) -> None:
        """A step is about to be taken at each of these learning rates, of which there is at least one."""
        self.lr(rates[0])
        self.reductions += sum(map(gt, rates, rates[1:]))
        self.steps += len(rates) - 1
        self.last_lr = rates[-1]
        self.lowest_lr = min(self.lowest_lr, *rates)
        self.highest_lr = max(self.highest_lr, *rates)

    def clipped(self, clipped: Tensor) -> None:
        """`clipped` is 1 where this step's gradient was changed, else 0 (0-dim)."""
        self._clipped = self._clipped + clipped

    def constrained(self, share: Tensor) -> None:
        """`share` of the units were over the bound at this step (0-dim)."""
        self._constrained = self._constrained + share

    def mixed(self, share: float) -> None:
        """Each example of this step was mixed with `share` of another one."""
        self._mixed += share

    def penalised(self, penalty: float, loss: float) -> None:
        """An epoch's mean penalty and the mean loss that contains it."""
        self._penalty_share = penalty / loss if loss > 0 else 0.0

    @property
    def clipped_share(self) -> float:
        """Share of steps whose gradient was clipped."""
        return float(self._clipped) / max(self.steps, 1)

    @property
    def constrained_share(self) -> float:
        """Mean share of units that a step found over the max-norm bound."""
        return float(self._constrained) / max(self.steps, 1)

    @property
    def mixed_share(self) -> float:
        """Mean share of another example in each one."""
        return self._mixed / max(self.steps, 1)

    @property
    def penalty_share(self) -> float:
        """The penalty's share of the last epoch's loss."""
        return self._penalty_share


@dataclass(frozen=True)
class Techniques:
    """The options whose action is reported: "none"/"constant" stand for nothing to report.

    restores: whether the best epoch's weights were restored for another reason than early stopping.
    """

    clip: str = "none"
    scheduler: str = "constant"
    average: str = "none"
    restores: bool = False


@dataclass(frozen=True)
class Trained:
    """How a trial ended: epochs, how many were asked for, whose weights it has (0: unknown), its status."""

    epochs: int
    planned: int
    kept: int = 0
    status: str = "completed"


def report(
    actions: Actions, techniques: Techniques, regularization: Regularization, trained: Trained, net: nn.Module
) -> Report:
    """One entry for each technique in use: `technique`, `acted`, `what` (a sentence) and its numbers."""
    entries: Report = {}
    if techniques.clip != "none":
        share = actions.clipped_share
        entries["clip"] = _entry(techniques.clip, share > 0, f"{share:.1%} of steps clipped", share=share)
    if techniques.scheduler != "constant":
        entries["scheduler"] = _schedule(actions, techniques.scheduler)
    if techniques.average != "none":
        far = actions.averaged
        what = f"the averaged weights are {far:.1%} of their norm from those of the last step"
        entries["average"] = _entry(techniques.average, far > 0, what, distance=far)
    if regularization.penalises:
        entries["penalty"] = _penalty(actions.penalty_share, regularization, net)
    for name, kind in DROPOUTS.items():
        rate = getattr(regularization, name)
        if rate > 0:
            share = dropped_share(net, kind)
            what = f"{share:.1%} of inputs and units dropped at each step (asked for: {rate:.0%})"
            entries[name] = _entry(name, share > 0, what, rate=rate, share=share)
    if regularization.mixes:
        share = actions.mixed_share
        entries["mixup"] = _entry("mixup", share > 0, f"{share:.1%} of each example is another one's", share=share)
    if regularization.constrains:
        share, at_bound = actions.constrained_share, bound_share(net, regularization.max_norm)
        what = f"{share:.2%} of units over the bound per step; {at_bound:.1%} end at it"
        entries["max_norm"] = _entry("max_norm", share > 0, what, share=share, at_bound=at_bound)
    if regularization.patience > 0:
        entries["early_stopping"] = _early_stopping(trained, techniques.restores)
    return entries


def _early_stopping(trained: Trained, otherwise: bool) -> dict[str, Any]:
    """It acts where it stops and where it alone goes back to an earlier epoch; only a completed trial did either."""
    completed = trained.status == "completed"
    stopped = completed and trained.epochs < trained.planned
    restored = completed and 0 < trained.kept < trained.epochs and not otherwise
    what = f"{'stopped after epoch' if stopped else 'never stopped in'} {trained.epochs} of {trained.planned}"
    what += "" if stopped else " epochs"
    if completed and trained.kept:
        what += f", went back to epoch {trained.kept}" if restored else "; the last one was the best"
    return _entry("early_stopping", stopped or restored, what, epoch=trained.epochs, kept=trained.kept)


def _schedule(actions: Actions, name: str) -> dict[str, Any]:
    low, high, cuts = actions.lowest_lr, actions.highest_lr, actions.reductions
    if actions.steps == 0:
        return _entry(name, False, "no step was taken")
    what = f"learning rate {low:.3g} to {high:.3g}" if low < high else f"the learning rate stayed at {high:.3g}"
    acted = low < high
    if name == "plateau":  # the rise of a warm-up is not counted
        acted = cuts > 0
        what += f", cut {cuts} times" if acted else ", never cut"
    return _entry(
        name, acted, what, reductions=cuts, lowest=low, highest=high, first=actions.first_lr, last=actions.last_lr
    )


def _penalty(share: float, regularization: Regularization, net: nn.Module) -> dict[str, Any]:
    zeros = zero_share(net)
    what = f"the penalty is {share:.1%} of the loss; {zeros:.1%} of weights exactly zero"
    return _entry(_penalty_name(regularization), share > 0, what, share=share, zero_share=zeros)


def _penalty_name(regularization: Regularization) -> str:
    return "_".join(name for name in ("l1", "l2") if getattr(regularization, name) > 0)


def _entry(technique: str, acted: bool, what: str, **numbers: float) -> dict[str, Any]:
    return {"technique": technique, "acted": acted, "what": what, **numbers}


def zero_share(net: nn.Module) -> float:
    """Share of kernel weights that are exactly zero."""
    weights = list(kernels(net).values())
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def bound_share(net: nn.Module, bound: float) -> float:
    """Share of hidden units whose incoming weights have the norm `bound`, to one part in a thousand."""
    norms = [torch.linalg.vector_norm(w.detach().flatten(1), dim=1) for w in list(kernels(net).values())[:-1]]
    return float((torch.cat(norms) >= bound * (1 - 1e-3)).double().mean()) if norms else 0.0


def dropped_share(net: nn.Module, kind: type[Dropout], samples: int = 10_000) -> float:
    """Share that `net`'s layers of this kind drop in training, measured on `samples` ones each; 0 without any."""
    shares = []
    ones = torch.ones(samples, device=next(net.parameters()).device)
    for layer in (module for module in net.modules() if type(module) in (kind, TORCH[kind])):
        output = copy.deepcopy(layer).train()(ones)
        # What is dropped comes out lower than what is kept, also where it is not zero (alpha dropout).
        shares.append(float((output < output.max()).double().mean()))
    return sum(shares) / len(shares) if shares else 0.0


def dead_units(net: nn.Module, x: Tensor) -> Report:
    """The share of a network's hidden units that are zero for every one of the examples x, in evaluation.

    Those are dead for good, most likely. A filter of a convolution is a unit, dead where it is zero at every place. Of
    a network without `layers`, nothing.
    """
    alive: dict[nn.Module, Tensor] = {}

    def look(module: nn.Module, inputs: Any, output: Tensor) -> None:
        active = (output != 0).transpose(0, 1).flatten(1).any(dim=1)
        alive[module] = alive[module] | active if module in alive else active

    hidden = [part for block in blocks_of(net)[:-1] for part in block.named_modules()]
    hooks = [part.register_forward_hook(look) for name, part in hidden if name.rpartition(".")[2] == "activation"]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not alive:
        return {}
    share = 1 - float(torch.cat(list(alive.values())).double().mean())
    what = f"{share:.1%} of hidden units are zero for all of {len(x):,} validation examples"
    return {"dead_units": {"technique": "dead units", "acted": True, "what": what, "share": share}}
