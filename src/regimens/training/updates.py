"""The nine optimisers' arithmetic: one rule each, with tf.keras 2's numbers (docs/reference/parity.md, section 5).

A rule says how one parameter moves: `update` changes the parameter and its state in place from the gradient and a few
coefficients. Everything that depends on the step number or the learning rate is a coefficient, computed outside in
Python's double precision, so that the same lines run eagerly (coefficients are floats), inside a compiled block, or
under `torch.func.vmap` with each trial's own numbers (coefficients are 0-dim tensors).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from regimens.training.checks import not_negative, positive, share

Coefficient = float | Tensor
Coefficients = tuple[Coefficient, ...]
State = tuple[Tensor, ...]


def axpy_(y: Tensor, x: Tensor, a: Coefficient) -> Tensor:
    """Add a x to y in place: one pass over memory where a is a float."""
    return y.add_(x, alpha=a) if isinstance(a, float) else y.add_(a * x)


def blend_(m: Tensor, g: Tensor, a: Coefficient) -> Tensor:
    """Move m towards g by the share a, in place: m = (1 - a) m + a g."""
    # lerp_ has no batching rule under vmap.
    return m.lerp_(g, a) if isinstance(a, float) else m.add_(a * (g - m))


def add_square_(v: Tensor, g: Tensor, a: Coefficient) -> Tensor:
    """Add a g² to v in place."""
    return v.addcmul_(g, g, value=a) if isinstance(a, float) else v.add_(a * g * g)


def raise_(u: Tensor, g: Tensor, decay: Coefficient) -> Tensor:
    """Set u = max(decay u, |g|) in place."""
    u.mul_(decay)
    # clamp_min_ has no batching rule under vmap; it needs one temporary fewer.
    return u.clamp_min_(g.abs()) if isinstance(decay, float) else u.copy_(torch.maximum(u, g.abs()))


def ratio_(p: Tensor, m: Tensor, d: Tensor, a: Coefficient) -> Tensor:
    """Add a m / d to p in place."""
    return p.addcdiv_(m, d, value=a) if isinstance(a, float) else p.add_(a * m / d)


def ratios_(p: Tensor, g: Tensor, a: Coefficient, m: Tensor, b: Coefficient, d: Tensor) -> Tensor:
    """Add (a g + b m) / d to p in place."""
    # Compiled, divisions dominate the time of such an update; run eagerly, passes over memory do.
    return ratio_(ratio_(p, g, d, a), m, d, b) if isinstance(a, float) else p.add_((a * g + b * m) / d)


@dataclass(frozen=True)
class Rule(ABC):
    """How one parameter is updated.

    slots: names of the state tensors, each of the parameter's shape.
    tells_kernels: whether a parameter of two dimensions or more moves by other operations than a vector.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    tells_kernels: ClassVar[bool] = False

    @property
    def defaults(self) -> dict[str, float]:
        """The rule's own numbers, learning rate aside."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("_")}

    def state(self, p: Tensor) -> State:
        """Return the state of a parameter p before its first step: one tensor for each slot."""
        return tuple(torch.zeros_like(p) for _ in self.slots)

    @abstractmethod
    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:
        """Return the coefficients of one step (the first is 1); their number is the same for every step."""

    @staticmethod
    @abstractmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:
        """Move p and its state in place by one step; g, the gradient, is left alone."""


@dataclass(frozen=True)
class SGD(Rule):
    """w -= lr g."""

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return (-lr,)

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        axpy_(p, g, c[0])


@dataclass(frozen=True)
class Momentum(Rule):
    """m = β m - lr g; w += m. Each gradient in m keeps the learning rate of its own step."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)
    momentum: float = 0.9

    def __post_init__(self) -> None:
        share("optimizer.momentum", self.momentum)

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return -lr, self.momentum

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        p.add_(axpy_(state[0].mul_(c[1]), g, c[0]))


@dataclass(frozen=True)
class Nesterov(Momentum):
    """m = β m - lr g; w += β m - lr g, with the new m."""

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        axpy_(axpy_(p, axpy_(state[0].mul_(c[1]), g, c[0]), c[1]), g, c[0])


@dataclass(frozen=True)
class Adagrad(Rule):
    """a += g²; w -= lr g / (√a + ε)."""

    slots: ClassVar[tuple[str, ...]] = ("accumulator",)
    initial_accumulator: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        positive("optimizer.epsilon", self.epsilon)
        not_negative("optimizer.initial_accumulator", self.initial_accumulator)

    def state(self, p: Tensor) -> State:  # noqa: D102
        return (torch.full_like(p, self.initial_accumulator),)

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return -lr, self.epsilon, 1.0

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        ratio_(p, g, add_square_(state[0], g, c[2]).sqrt().add_(c[1]), c[0])


@dataclass(frozen=True)
class RMSprop(Rule):
    """v = ρ v + (1 - ρ) g²; w -= lr g / (√v + ε)."""

    slots: ClassVar[tuple[str, ...]] = ("square",)
    rho: float = 0.9
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        share("optimizer.rho", self.rho)
        positive("optimizer.epsilon", self.epsilon)

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return -lr, self.epsilon, self.rho, 1 - self.rho

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        ratio_(p, g, add_square_(state[0].mul_(c[2]), g, c[3]).sqrt().add_(c[1]), c[0])


@dataclass(frozen=True)
class _Moments(Rule):
    """The hyperparameters that the Adam family shares."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        share("optimizer.beta_1", self.beta_1)
        share("optimizer.beta_2", self.beta_2)
        positive("optimizer.epsilon", self.epsilon)


@dataclass(frozen=True)
class Adam(_Moments):
    """m, v: running means of g, g²; w -= lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) m / (√v + ε), the paper's "ε hat"."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        rate = lr * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return -rate, self.epsilon, 1 - self.beta_1, self.beta_2, 1 - self.beta_2

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        m, v = state
        blend_(m, g, c[2])
        ratio_(p, m, add_square_(v.mul_(c[3]), g, c[4]).sqrt().add_(c[1]), c[0])


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, and w *= 1 - lr decay before it, for kernels (parameters of two dimensions or more) only."""

    tells_kernels: ClassVar[bool] = True
    weight_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative("optimizer.weight_decay", self.weight_decay)

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return *super().coefficients(step, lr), 1 - lr * self.weight_decay

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        if p.ndim > 1:
            p.mul_(c[5])
        Adam.update(p, g, state, c)


@dataclass(frozen=True)
class Adamax(_Moments):
    """m: running mean of g; u = max(β₂ u, |g|); w -= lr / (1 - β₁ᵗ) m / (u + ε)."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "peak")

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        return -lr / (1 - self.beta_1**step), self.epsilon, 1 - self.beta_1, self.beta_2

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        m, u = state
        blend_(m, g, c[2])
        ratio_(p, m, raise_(u, g, c[3]) + c[1], c[0])


@dataclass(frozen=True)
class Nadam(_Moments):
    """Adam with Nesterov momentum μₜ = β₁ (1 - 0.5 · 0.96^(d t)), d = schedule_decay, bias-corrected by Πμ.

    w -= lr ((1 - μₜ) g / (1 - Π₁..ₜ μ) + μₜ₊₁ m / (1 - Π₁..ₜ₊₁ μ)) / (√(v / (1 - β₂ᵗ)) + ε).
    """

    slots: ClassVar[tuple[str, ...]] = ("mean", "square")
    schedule_decay: float = 0.004
    _products: list[float] = field(default_factory=lambda: [1.0], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative("optimizer.schedule_decay", self.schedule_decay)

    def _mu(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (self.schedule_decay * step))

    def _product(self, step: int) -> float:
        """Return μ₁ ⋯ μ_step; cached, and 0 from where it has vanished."""
        known = self._products
        while len(known) <= step and known[-1] > 1e-30:
            known.append(known[-1] * self._mu(len(known)))
        return known[step] if step < len(known) else 0.0

    def coefficients(self, step: int, lr: float) -> tuple[float, ...]:  # noqa: D102
        mu, mu_next = self._mu(step), self._mu(step + 1)
        # Multiplying numerator and ε by √(1 - β₂ᵗ) leaves √v alone.
        root = math.sqrt(1 - self.beta_2**step)
        now = lr * root * (1 - mu) / (1 - self._product(step))
        ahead = lr * root * mu_next / (1 - self._product(step + 1))
        return -now, self.epsilon * root, 1 - self.beta_1, self.beta_2, 1 - self.beta_2, -ahead

    @staticmethod
    def update(p: Tensor, g: Tensor, state: State, c: Coefficients) -> None:  # noqa: D102
        m, v = state
        blend_(m, g, c[2])
        ratios_(p, g, c[0], m, c[5], add_square_(v.mul_(c[3]), g, c[4]).sqrt().add_(c[1]))


CATALOGUE: tuple[type[Rule], ...] = (Momentum, Nesterov, Adagrad, RMSprop, Adam, AdamW, Adamax, Nadam)


def family(rule: type[Rule]) -> tuple[type[Rule], ...]:
    """The rules whose updates are compiled with `rule`'s: those of the catalogue; a rule from elsewhere is alone."""
    return CATALOGUE if rule in CATALOGUE else (rule,)
