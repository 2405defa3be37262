"""The gradient-flow probe: activations, gradients and updates of each layer, sampled at a few steps per epoch.

Per layer and epoch: mean and standard deviation of the activations, the kernel's gradient norm, the share of
saturated units, and the update-to-weight ratio |dW| / |W| (about 0.001 in a healthy net).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regimens.nets.mlp import KERNELS, blocks_of, kernels
from regimens.nets.resnet import Residual

QUANTITIES = ("activation_mean", "activation_std", "gradient_norm", "saturated_share", "update_ratio")


class Probe:
    """What the training loop tells a probe. This one records nothing (`probe=none`); others override what they use.

    `report` is what the result keeps under `field` (None: nothing).
    """

    field = "gradient_flow"

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch` (from 0) begins."""

    def stepping(self, loss: Tensor, lr: float) -> None:
        """A step at learning rate `lr` is about to be taken; `loss` (0-dim) is its mini-batch's, penalty included."""

    def before(self, net: nn.Module, batch: Tensor) -> None:
        """Gradients are there, and the step is yet to be taken."""

    def after(self, net: nn.Module) -> None:
        """The step has been taken."""

    def end_epoch(self) -> None:
        """The epoch is over."""

    def report(self) -> dict[str, Any] | None:
        """Plain values for the result."""
        return None


class GradientFlow(Probe):
    """Samples steps 1, 1 + `every`, 1 + 2 `every`, ... of each epoch, so that its cost is about `2 / every` of a step.

    A unit counts as saturated where the gradient of its activation's output
    with respect to its input is below `threshold` of the largest one in the layer (dead ReLUs, flat sigmoids).
    """

    def __init__(self, every: int = 100, threshold: float = 0.05) -> None:
        self.every = every
        self.threshold = threshold
        self._epochs: list[int] = []
        self._series: list[list[list[float]]] = []
        self._step = 0
        self._sampled: list[list[list[float]]] = []
        self._now: list[list[float]] = []
        self._old: list[Tensor] = []
        self._names: list[str] = []

    def begin_epoch(self, epoch: int) -> None:
        """Forget the last epoch's samples."""
        self._epochs.append(epoch + 1)
        self._step, self._sampled = 0, []

    def before(self, net: nn.Module, batch: Tensor) -> None:
        """After `backward`, before the optimiser: read activations and gradients."""
        if self._step % self.every:
            return
        weights = list(kernels(net).values())
        self._names = [f"{'dense' if w.ndim == 2 else 'conv'} {i + 1}" for i, w in enumerate(weights)]
        statistics = self._activations(net, batch)
        norms = [0.0 if k.grad is None else float(k.grad.norm()) for k in weights]
        self._now = [[mean, std, norm, share] for (mean, std, share), norm in zip(statistics, norms, strict=True)]
        self._old = [k.detach().clone() for k in weights]

    def after(self, net: nn.Module) -> None:
        """After the optimiser: how far each kernel moved."""
        if self._step % self.every == 0:
            ratios = [
                float((k.detach() - old).norm() / old.norm().clamp_min(1e-30))
                for k, old in zip(kernels(net).values(), self._old, strict=True)
            ]
            self._sampled.append([[*row, ratio] for row, ratio in zip(self._now, ratios, strict=True)])
        self._step += 1

    def end_epoch(self) -> None:
        """Average the epoch's samples: layers x quantities."""
        self._series.append(torch.tensor(self._sampled, dtype=torch.float64).mean(dim=0).tolist())

    def report(self) -> dict[str, Any]:
        """`layers`, `epochs`, and for each quantity one list an epoch with one number a layer (input side first)."""
        layers = self._names[: len(self._series[0])] if self._series else []
        table = {name: [[row[i] for row in epoch] for epoch in self._series] for i, name in enumerate(QUANTITIES)}
        return {"layers": layers, "epochs": self._epochs[: len(self._series)], **table}

    def _activations(self, net: nn.Module, batch: Tensor) -> Sequence[tuple[float, float, float]]:
        """Mean, standard deviation and saturated share of each block's activation, in evaluation mode."""
        seen: list[tuple[float, float, float]] = []

        def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.append((float(output.mean()), float(output.std(correction=0)), self._saturated(module, inputs[0])))

        training = [(module, module.training) for module in net.modules()]
        hooks = [activation.register_forward_hook(look) for activation in _activations_of(net)]
        try:
            net.eval()
            with torch.no_grad():
                logits = net(batch)
        finally:
            for hook in hooks:
                hook.remove()
            for module, mode in training:
                module.training = mode
        return [*seen, (float(logits.mean()), float(logits.std(correction=0)), 0.0)]

    def _saturated(self, activation: nn.Module, inputs: Tensor) -> float:
        if isinstance(activation, KERNELS):
            return 0.0
        with torch.enable_grad():
            leaf = inputs.detach().requires_grad_()
            # `forward`, not a call: a call would run the hook that brought us here.
            (slope,) = torch.autograd.grad(activation.forward(leaf).sum(), leaf)
        slope = slope.abs()
        return float((slope < self.threshold * slope.max().clamp_min(1e-30)).double().mean())


def _activations_of(net: nn.Module) -> list[nn.Module]:
    """For each layer with a kernel but the last, the module whose output is its activation."""
    found: list[nn.Module] = []
    for block in blocks_of(net)[:-1]:
        for part in [block.first, block.second] if isinstance(block, Residual) else [block]:
            # A linear block has no activation module of its own: there, its layer's output is the activation.
            names = dict(part.named_children())
            found.append(next(names[name] for name in ("activation", "linear", "conv") if name in names))
        if isinstance(block, Residual):  # that of its second layer comes after the sum
            found[-1] = block.activation
    return found
