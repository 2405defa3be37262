"""The catalogue's optimisers as torch optimisers: parameters in, a `RuleOptimizer` out.

Defaults are tf.keras's (PARITY.md, section 5), and so is the arithmetic (`regimens.training.updates`).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from regimens.training import updates
from regimens.training.checks import positive
from regimens.training.updates import Rule, State

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class RuleOptimizer(torch.optim.Optimizer):
    """An ordinary torch optimiser around one rule: parameter groups with `lr`, a state dict, schedulers, closures.

    Each group counts its own steps in `group["step"]`. The engines that step without this class's `step` use `rule`,
    `tick` and `slots`.
    """

    def __init__(self, params: Params, rule: Rule, lr: float) -> None:
        """Raises UserError where lr is not a positive number."""
        positive("optimizer.lr", lr)
        self.rule = rule
        super().__init__(params, {"lr": lr, "step": 0})

    def tick(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Count one step of `group` and return the rule's coefficients for it."""
        group["step"] += 1
        return self.rule.coefficients(group["step"], float(group["lr"]))

    def slots(self, p: Tensor) -> State:
        """Return the parameter's state tensors in the order of `rule.slots`, made on first use."""
        state = self.state[p]
        if not state and self.rule.slots:
            state.update(zip(self.rule.slots, self.rule.state(p.detach()), strict=True))
        return tuple(state[name] for name in self.rule.slots)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.move()
        return loss

    def move(self) -> None:
        """What `step` does, without torch's hooks around it."""
        update = self.rule.update
        with torch.no_grad():
            for group in self.param_groups:
                coefficients = self.tick(group)
                for p in group["params"]:
                    if p.grad is not None:
                        update(p, p.grad, self.slots(p), coefficients)


def sgd(params: Params, lr: float = 0.01) -> RuleOptimizer:
    """Plain gradient descent."""
    return RuleOptimizer(params, updates.SGD(), lr)


def momentum(params: Params, lr: float = 0.01, momentum: float = 0.9) -> RuleOptimizer:
    """Gradient descent with momentum."""
    return RuleOptimizer(params, updates.Momentum(momentum), lr)


def nesterov(params: Params, lr: float = 0.01, momentum: float = 0.9) -> RuleOptimizer:
    """Nesterov's accelerated gradient."""
    return RuleOptimizer(params, updates.Nesterov(momentum), lr)


def adagrad(
    params: Params, lr: float = 0.001, initial_accumulator: float = 0.1, epsilon: float = 1e-7
) -> RuleOptimizer:
    """AdaGrad."""
    return RuleOptimizer(params, updates.Adagrad(initial_accumulator, epsilon), lr)


def rmsprop(params: Params, lr: float = 0.001, rho: float = 0.9, epsilon: float = 1e-7) -> RuleOptimizer:
    """RMSProp."""
    return RuleOptimizer(params, updates.RMSprop(rho, epsilon), lr)


def adam(
    params: Params, lr: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> RuleOptimizer:
    """Adam."""
    return RuleOptimizer(params, updates.Adam(beta_1, beta_2, epsilon), lr)


def adamax(
    params: Params, lr: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> RuleOptimizer:
    """AdaMax: Adam with the maximum norm."""
    return RuleOptimizer(params, updates.Adamax(beta_1, beta_2, epsilon), lr)


def nadam(
    params: Params,
    lr: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    schedule_decay: float = 0.004,
) -> RuleOptimizer:
    """Nadam: Adam with Nesterov momentum."""
    return RuleOptimizer(params, updates.Nadam(beta_1, beta_2, epsilon, schedule_decay), lr)


def adamw(
    params: Params,
    lr: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    weight_decay: float = 0.004,
) -> RuleOptimizer:
    """Adam with decoupled weight decay, on kernels only."""
    return RuleOptimizer(params, updates.AdamW(beta_1, beta_2, epsilon, weight_decay), lr)
