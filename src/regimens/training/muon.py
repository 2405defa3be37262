"""Muon: the momentum of each hidden layer's kernel is orthogonalised; all other parameters move by AdamW.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, with one learning rate for both parts as
in Liu et al., "Muon is Scalable for LLM Training", 2025. docs/reference/parity.md, section 5.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from regimens.training.checks import not_negative, positive, share
from regimens.training.optimizers import Params, RuleOptimizer, evaluated
from regimens.training.updates import AdamW


class Muon(torch.optim.Optimizer):
    """`torch.optim.Muon` for kernels (out, in, ...), a convolution's as (out, in x places), but the last, the output's.

    That one, biases and norms go to the catalogue's AdamW. Both parts have one `lr`: an orthogonal step is scaled to
    the size of AdamW's, 0.2 √max(out, in).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 0.001,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        """Raises UserError where a number is out of range."""
        positive("optimizer.lr", lr)
        share("optimizer.momentum", momentum)
        not_negative("optimizer.weight_decay", weight_decay)
        given: list[Tensor] = list(params)  # type: ignore[arg-type]
        hidden = [p for p in given if p.ndim > 1][:-1]
        taken = {id(p) for p in hidden}
        others = [p for p in given if id(p) not in taken]
        super().__init__([{"params": hidden}, {"params": others}], {"lr": lr})
        self._matrices = [p.detach().view(len(p), -1) for p in hidden]  # the same memory
        numbers: dict[str, Any] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        self._hidden = [torch.optim.Muon(self._matrices, **numbers, adjust_lr_fn="match_rms_adamw")] if hidden else []
        self._others = RuleOptimizer(others, AdamW(beta_1, beta_2, epsilon, weight_decay), lr)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step."""
        loss = evaluated(closure)
        hidden, others = self.param_groups
        for matrix, p in zip(self._matrices, hidden["params"], strict=True):
            matrix.grad = None if p.grad is None else p.grad.reshape(matrix.shape)
        for muon in self._hidden:
            muon.param_groups[0]["lr"] = hidden["lr"]
            muon.step()
        self._others.param_groups[0]["lr"] = others["lr"]
        self._others.move()
        return loss
