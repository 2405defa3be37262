"""Every initialiser's moments, bounds and truncation against the formulas of docs/reference/parity.md, section 1."""

import math
from pathlib import Path

import pytest
import torch
import yaml
from scipy import stats

from regimens.core.build import build
from regimens.core.errors import UserError
from regimens.nets.initializers import identity, initialize, variance_scaling

CONF = Path(__file__).parents[2] / "conf" / "init"
FAN_OUT, FAN_IN = 300, 784
FAN_AVG = (FAN_IN + FAN_OUT) / 2
CUT = 0.87962566103423978


def draw(option: str, shape: tuple[int, int] = (FAN_OUT, FAN_IN), **overrides: object) -> torch.Tensor:
    weight = torch.empty(shape, dtype=torch.float64)
    init = build({**yaml.safe_load((CONF / f"{option}.yaml").read_text()), **overrides})
    initialize(weight, init, torch.Generator().manual_seed(1))
    return weight


def fits(weight: torch.Tensor, distribution: stats.rv_continuous) -> bool:
    return stats.kstest(weight.flatten()[::7].numpy(), distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("option", "variance"),
    [("glorot_normal", 1 / FAN_AVG), ("he_normal", 2 / FAN_IN), ("lecun_normal", 1 / FAN_IN)],
)
def test_normal_is_cut_at_two_deviations_and_corrected(option: str, variance: float) -> None:
    weight, std = draw(option), math.sqrt(variance)
    assert fits(weight, stats.truncnorm(-2, 2, scale=std / CUT))
    assert weight.abs().max() <= 2 * std / CUT
    assert weight.std().item() == pytest.approx(std, rel=0.01)


@pytest.mark.parametrize(
    ("option", "bound"),
    [
        ("glorot_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", math.sqrt(6 / FAN_IN)),
        ("lecun_uniform", math.sqrt(3 / FAN_IN)),
        ("variance_scaling", math.sqrt(3 * 2 / FAN_AVG)),
        ("random_uniform", 0.05),
    ],
)
def test_uniform_bounds(option: str, bound: float) -> None:
    weight = draw(option)
    assert fits(weight, stats.uniform(-bound, 2 * bound))
    assert bound * 0.999 < weight.abs().max() <= bound


def test_fixed_deviation() -> None:
    assert fits(draw("random_normal"), stats.norm(0, 0.05))
    truncated = draw("truncated_normal")
    assert fits(truncated, stats.truncnorm(-2, 2, scale=0.05))
    assert truncated.abs().max() <= 0.1
    assert truncated.std().item() == pytest.approx(0.05 * CUT, rel=0.01)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT), ("fan_avg", FAN_AVG)])
def test_variance_scaling_untruncated(mode: str, fan: float) -> None:
    weight = draw("variance_scaling", scale=3.0, mode=mode, distribution="untruncated")
    assert fits(weight, stats.norm(0, math.sqrt(3 / fan)))


def test_orthogonal_rows() -> None:
    weight = draw("orthogonal")
    assert torch.allclose(weight @ weight.T, torch.eye(FAN_OUT, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize(("option", "value"), [("zeros", 0.0), ("ones", 1.0), ("constant", 0.05)])
def test_one_value(option: str, value: float) -> None:
    assert (draw(option) == value).all()


def test_identity_times_gain() -> None:
    assert torch.equal(identity(torch.empty(3, 5), gain=2.0), 2 * torch.eye(3, 5))


@pytest.mark.parametrize("option", sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "own"))
def test_same_generator_same_weights_and_global_state_untouched(option: str) -> None:
    state = torch.get_rng_state()
    assert torch.equal(draw(option, (6, 8)), draw(option, (6, 8)))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("wrong", [{"mode": "fan"}, {"scale": 0.0}, {"distribution": "cauchy"}])
def test_wrong_arguments_are_the_users_mistake(wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        variance_scaling(torch.empty(2, 2), **wrong)
