"""Every optimiser over 20 steps with a changing learning rate, against tf.keras 2's formulas.

Formulas: docs/reference/parity.md, section 5.
"""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.func import vmap

from regimens.core.build import build
from regimens.core.errors import UserError
from regimens.training import optimizers
from regimens.training.optimizers import RuleOptimizer

CONF = Path(__file__).parents[2] / "conf" / "optimizer"
# One generator each: it is sent (gradient, learning rate), and yields what is added to the weight.


def _sgd(w: np.ndarray) -> Any:
    step = None
    while True:
        g, lr = yield step
        step = -lr * g


def _momentum(w: np.ndarray) -> Any:
    m, step = np.zeros_like(w), None
    while True:
        g, lr = yield step
        m = 0.9 * m - lr * g
        step = m


def _nesterov(w: np.ndarray) -> Any:
    m, step = np.zeros_like(w), None
    while True:
        g, lr = yield step
        m = 0.9 * m - lr * g
        step = 0.9 * m - lr * g


def _adagrad(w: np.ndarray) -> Any:
    a, step = np.full_like(w, 0.1), None
    while True:
        g, lr = yield step
        a = a + g**2
        step = -lr * g / (np.sqrt(a) + 1e-7)


def _rmsprop(w: np.ndarray) -> Any:
    v, step = np.zeros_like(w), None
    while True:
        g, lr = yield step
        v = 0.9 * v + 0.1 * g**2
        step = -lr * g / (np.sqrt(v) + 1e-7)


def _adam(w: np.ndarray) -> Any:
    m, v, t, step = np.zeros_like(w), np.zeros_like(w), 0, None
    while True:
        g, lr = yield step
        t += 1
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = -lr * math.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)


def _adamw(w: np.ndarray) -> Any:
    inner, decay, step = _adam(w), 0.004 if w.ndim > 1 else 0.0, None
    next(inner)
    while True:
        g, lr = yield step
        step = -lr * decay * w + inner.send((g, lr))


def _adamax(w: np.ndarray) -> Any:
    m, u, t, step = np.zeros_like(w), np.zeros_like(w), 0, None
    while True:
        g, lr = yield step
        t += 1
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g))
        step = -lr / (1 - 0.9**t) * m / (u + 1e-7)


def _nadam(w: np.ndarray) -> Any:
    m, v, t, product, step = np.zeros_like(w), np.zeros_like(w), 0, 1.0, None
    while True:
        g, lr = yield step
        t += 1
        mu, ahead = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in (t, t + 1))
        product *= mu
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        bar = (1 - mu) * g / (1 - product) + ahead * m / (1 - product * ahead)
        step = -lr * bar / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)


REFERENCES: dict[str, Callable[[np.ndarray], Any]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamax": _adamax,
    "nadam": _nadam,
    "adamw": _adamw,
}


def factory(option: str, **overrides: Any) -> Callable[..., RuleOptimizer]:
    return build({**yaml.safe_load((CONF / f"{option}.yaml").read_text()), **overrides})


def gradients(steps: int) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return [[rng.normal(0, 10.0 ** rng.integers(-3, 2), shape) for shape in ((4, 3), (4,))] for _ in range(steps)]


def parameters() -> list[torch.Tensor]:
    rng = np.random.default_rng(1)
    return [torch.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((4, 3), (4,))]


@pytest.mark.parametrize("option", REFERENCES)
def test_twenty_steps_with_a_changing_learning_rate(option: str) -> None:
    params = parameters()
    weights = [p.detach().numpy().copy() for p in params]
    references = [REFERENCES[option](w) for w in weights]
    for reference in references:
        next(reference)
    optimizer = factory(option)(params)
    default = optimizer.param_groups[0]["lr"]
    for i, grads in enumerate(gradients(20)):
        lr = default * (1.5 if i == 7 else 0.5 if i >= 12 else 1.0)
        optimizer.param_groups[0]["lr"] = lr
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        for w, reference, g in zip(weights, references, grads, strict=True):
            w += reference.send((g, lr))
        for p, w in zip(params, weights, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), w, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("option", "lr"), [(o, 0.01 if o in ("sgd", "momentum", "nesterov") else 0.001) for o in REFERENCES]
)
def test_default_learning_rate_is_keras(option: str, lr: float) -> None:
    assert factory(option)(parameters()).param_groups[0]["lr"] == lr
    assert getattr(optimizers, option)(parameters()).param_groups[0]["lr"] == lr


@pytest.mark.parametrize("option", REFERENCES)
def test_state_dict_continues_where_it_was(option: str) -> None:
    def run(optimizer: RuleOptimizer, params: list[torch.Tensor], steps: list[list[np.ndarray]]) -> None:
        for grads in steps:
            for p, g in zip(params, grads, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()

    steps, params = gradients(6), parameters()
    optimizer = factory(option)(params)
    run(optimizer, params, steps[:3])
    copies = [p.detach().clone().requires_grad_() for p in params]
    resumed = factory(option)(copies)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch shares the tensors
    run(optimizer, params, steps[3:])
    run(resumed, copies, steps[3:])
    assert all(torch.equal(a, b) for a, b in zip(params, copies, strict=True))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("option", REFERENCES)
def test_same_arithmetic_with_tensor_coefficients_and_under_vmap(option: str) -> None:
    rule = factory(option)(parameters()).rule
    lrs, p = [0.01, 0.1, 1.0], torch.randn(3, 4, 2, dtype=torch.float64)
    plain, batched = p.clone(), p.clone()
    states = [rule.state(q) for q in plain]
    stacked = tuple(torch.stack(slot) for slot in zip(*states, strict=True))

    def step(p: torch.Tensor, g: torch.Tensor, state: tuple, c: torch.Tensor) -> torch.Tensor:
        rule.update(p, g, state, tuple(c.unbind()))
        return p

    for t in range(1, 6):
        g = torch.randn(3, 4, 2, dtype=torch.float64)
        c = [rule.coefficients(t, lr) for lr in lrs]
        for i in range(3):
            rule.update(plain[i], g[i], states[i], c[i])
        batched = vmap(step)(batched, g, stacked, torch.tensor(c, dtype=torch.float64))
    assert torch.allclose(plain, batched, rtol=1e-12, atol=1e-14)


def test_nadam_coefficients_far_out_and_out_of_order() -> None:
    rule = factory("nadam")(parameters()).rule
    late = rule.coefficients(100_000, 0.001)
    assert all(math.isfinite(c) for c in late)
    assert -late[5] == pytest.approx(0.001 * 0.9, rel=1e-6)
    assert rule.coefficients(1, 0.001) == factory("nadam")(parameters()).rule.coefficients(1, 0.001)


def test_parameters_without_a_gradient_stay_and_a_closure_is_called() -> None:
    params = parameters()
    before = params[1].detach().clone()
    optimizer = factory("adam")(params)

    def closure() -> torch.Tensor:
        loss = params[0].square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) > 0
    assert torch.equal(params[1], before)
    assert params[1] not in optimizer.state


TORCH: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {"initial_accumulator_value": 0.1, "eps": 1e-7}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-7}),
    "adam": (torch.optim.Adam, {"eps": 1e-7}),
    "adamax": (torch.optim.Adamax, {"eps": 1e-7}),
    "nadam": (torch.optim.NAdam, {"eps": 1e-7, "momentum_decay": 0.004}),
    "adamw": (torch.optim.AdamW, {"eps": 1e-7, "weight_decay": 0.004}),
}


@pytest.mark.parametrize("option", TORCH)
def test_agrees_with_torch_at_a_constant_learning_rate(option: str) -> None:
    """Adam with its ε divided at each step; Adamax has another ε, and NAdam keeps its product in float32."""
    ours, theirs = parameters(), parameters()
    kind, arguments = TORCH[option]
    groups = [{"params": theirs[:1]}, {"params": theirs[1:], **({"weight_decay": 0.0} if option == "adamw" else {})}]
    pair = (factory(option, lr=0.01)(ours), kind(groups, lr=0.01, **arguments))
    for t, grads in enumerate(gradients(20), 1):
        if option in ("adam", "adamw"):
            for group in pair[1].param_groups:
                group["eps"] = 1e-7 / math.sqrt(1 - 0.999**t)
        for optimizer, params in zip(pair, (ours, theirs), strict=True):
            for p, g in zip(params, grads, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()
    tolerance = 1e-5 if option in ("adamax", "nadam") else 1e-10
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("target", ["torch.optim.SGD", "torch.optim.NAdam", "torch.optim.RAdam"])
def test_any_torch_optimizer_is_one_file(target: str) -> None:
    params = parameters()
    optimizer = build({"_target_": target, "_partial_": True, "lr": 0.001, "tune": {}})(params)
    before = params[0].detach().clone()
    params[0].grad = torch.ones_like(params[0])
    optimizer.step()
    assert bool((params[0] < before).all())


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("sgd", {"lr": 0.0}),
        ("adam", {"lr": -0.001}),
        ("sgd", {"lr": float("nan")}),
        ("sgd", {"lr": "fast"}),
        ("momentum", {"momentum": 1.0}),
        ("rmsprop", {"rho": -0.1}),
        ("adam", {"beta_1": 1.5}),
        ("nadam", {"beta_2": 1.0}),
        ("adamax", {"epsilon": 0.0}),
        ("adamw", {"weight_decay": -1.0}),
        ("adagrad", {"initial_accumulator": -1.0}),
        ("nadam", {"schedule_decay": -1.0}),
    ],
)
def test_wrong_numbers_are_the_users_mistake(option: str, wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"optimizer.{next(iter(wrong))}="):
        factory(option, **wrong)(parameters())
