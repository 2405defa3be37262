"""The catalogue's optimisers as torch optimisers: parameters in, a `RuleOptimizer` out.

Defaults are tf.keras's (docs/reference/parity.md, section 5), and so is the arithmetic (`regimens.training.updates`).
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from inspect import Parameter, Signature
from typing import Any

import torch
from torch import Tensor

from regimens.training import updates
from regimens.training.checks import positive
from regimens.training.updates import Rule, State

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


def evaluated(closure: Callable[[], Any] | None) -> Any:
    """What `step(closure)` of a torch optimiser has to return: the closure's loss, computed with gradients."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


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
        loss = evaluated(closure)
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


def optimizer(rule: type[Rule], lr: float) -> Callable[..., RuleOptimizer]:
    """The function (params, lr, the rule's own numbers) -> RuleOptimizer that a configuration names; `lr` by default.

    Its signature lists the fields of the rule, a dataclass, with their defaults: `build` checks a node's keys by it.
    """
    numbers = [
        Parameter(field.name, Parameter.POSITIONAL_OR_KEYWORD, default=field.default)
        for field in fields(rule)
        if field.init
    ]
    given = [Parameter("params", Parameter.POSITIONAL_OR_KEYWORD)]
    signature = Signature([*given, Parameter("lr", Parameter.POSITIONAL_OR_KEYWORD, default=lr), *numbers])

    def make(*arguments: Any, **keywords: Any) -> RuleOptimizer:
        bound = signature.bind(*arguments, **keywords)
        bound.apply_defaults()
        params, rate, *values = bound.args
        return RuleOptimizer(params, rule(*values), rate)

    make.__doc__, make.__signature__ = rule.__doc__, signature  # type: ignore[attr-defined]
    return make


sgd = optimizer(updates.SGD, lr=0.01)
momentum = optimizer(updates.Momentum, lr=0.01)
nesterov = optimizer(updates.Nesterov, lr=0.01)
adagrad = optimizer(updates.Adagrad, lr=0.001)
rmsprop = optimizer(updates.RMSprop, lr=0.001)
adam = optimizer(updates.Adam, lr=0.001)
adamax = optimizer(updates.Adamax, lr=0.001)
nadam = optimizer(updates.Nadam, lr=0.001)
adamw = optimizer(updates.AdamW, lr=0.001)
