"""The chapter's rules of thumb, checked on a composed regimen. Advice informs; it stops a run only on request."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Regimen = Mapping[str, Mapping[str, Any]]
Rule = Callable[[Mapping[str, str], Regimen], Iterator[str]]

RELU_FAMILY = ("relu", "leaky_relu", "rrelu", "prelu", "elu", "thresholded_relu", "gelu", "swish", "mish")
HE = ("he_normal", "he_uniform")
LECUN = ("lecun_normal", "lecun_uniform")
CONSTANT = ("zeros", "ones", "constant")
ADAPTIVE = ("adam", "nadam", "adamax")
DEEP = 5


def advise(choices: Mapping[str, str], regimen: Regimen) -> list[str]:
    """One sentence for each rule that the regimen breaks. `choices` maps groups to options, `regimen` to their values.

    Source of the rules: Géron, "Hands-On Machine Learning", chapter 11, which the project re-measures.
    """
    return [sentence for rule in RULES for sentence in rule(choices, regimen)]


def _selu(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("activation") != "selu":
        return
    if choices.get("init") not in LECUN and not _variance(choices, regimen, 1):
        yield f"activation=selu with init={choices.get('init')}: SELU self-normalises only with init=lecun_normal"
    if regimen["data"].get("scale") != "standardize":
        yield "activation=selu needs standardised inputs to self-normalise: data.scale=standardize"
    if _number(regimen, "regularization", "dropout") > 0:
        yield "activation=selu with plain dropout loses self-normalisation: regularization=alpha_dropout"
    if _number(regimen, "regularization", "l1") > 0:
        yield "activation=selu with l1 loses self-normalisation: l1 pulls weights away from unit variance"
    if choices.get("norm") == "batch":
        yield "activation=selu with norm=batch: SELU normalises by itself; norm=none suffices"


def _he(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    activation, init = choices.get("activation"), choices.get("init")
    # Batch norm rescales whatever the weights were; constant weights have a worse problem (_symmetry).
    fine = init in (*HE, *CONSTANT) or _variance(choices, regimen, 2) or choices.get("norm") == "batch"
    if activation in RELU_FAMILY and not fine:
        yield f"activation={activation} with init={init}: the ReLU family trains best from init=he_normal"


def _symmetry(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("init") in CONSTANT:
        yield f"init={choices['init']}: all units of a layer stay equal, symmetry never breaks; draw weights at random"


def _momentum(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    key = "momentum" if "momentum" in regimen["optimizer"] else "beta_1"
    value = _number(regimen, "optimizer", key)
    if value > 0.99:
        steps = f"{1 / (1 - value):.0f}" if value < 1 else "all"
        yield f"optimizer.{key}={value:g} adds up {steps} steps and overshoots; 0.9 is usual"


def _dropout_with_batch_norm(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    for name in ("dropout", "alpha_dropout"):
        if choices.get("norm") == "batch" and _number(regimen, "regularization", name) > 0:
            yield f"{name} with norm=batch shifts the statistics that batch norm learns; use one of them"


def _bias(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    # With an activation between the two the bias has an effect; with norm.position=before the nets have none.
    linear = choices.get("activation") == "linear"
    if choices.get("norm") == "batch" and linear and regimen["norm"].get("position") == "after":
        yield "a bias right before batch norm is subtracted again: norm.position=before leaves it out"


def _decay(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    optimizer = choices.get("optimizer")
    if optimizer in ADAPTIVE and _number(regimen, "regularization", "l2") > 0:
        yield f"l2 inside optimizer={optimizer} is divided by its gradient history; for weight decay optimizer=adamw"


def _adagrad(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    model = regimen["model"]
    held = {key: len(one) for key in ("layers", "hidden", "widths") if isinstance(one := model.get(key), list | tuple)}
    residual = 2 * held.pop("widths", 0) * int(_number(regimen, "model", "blocks"))
    if choices.get("optimizer") == "adagrad" and residual + sum(held.values()) >= DEEP:
        yield "optimizer=adagrad often stops too early on deep nets: its learning rate only ever shrinks"


def _variance(choices: Mapping[str, str], regimen: Regimen, scale: float) -> bool:
    """Whether init=variance_scaling is set to `scale` / fan_in: He's (2) or LeCun's (1) by another name."""
    init = regimen["init"]
    return choices.get("init") == "variance_scaling" and (init.get("scale"), init.get("mode")) == (scale, "fan_in")


def _number(regimen: Regimen, group: str, key: str) -> float:
    """The number at `group.key`; 0 where there is none, or where it is no number, which building the group refuses."""
    value = regimen[group].get(key)
    return float(value) if isinstance(value, int | float) else 0.0


RULES: tuple[Rule, ...] = (_selu, _he, _symmetry, _momentum, _dropout_with_batch_norm, _bias, _decay, _adagrad)
