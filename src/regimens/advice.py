"""The chapter's rules of thumb, checked on a composed regimen. Advice informs; it stops a run only on request."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Regimen = Mapping[str, Mapping[str, Any]]
Rule = Callable[[Mapping[str, str], Regimen], Iterator[str]]

RELU_FAMILY = ("relu", "leaky_relu", "rrelu", "prelu", "elu", "thresholded_relu", "gelu", "swish", "mish")
HE = ("he_normal", "he_uniform")
LECUN = ("lecun_normal", "lecun_uniform")
CONSTANT = ("zeros", "ones", "constant")
DEEP = 5


def advise(choices: Mapping[str, str], regimen: Regimen) -> list[str]:
    """One sentence for each rule that the regimen breaks. `choices` maps groups to options, `regimen` to their values.

    Source of the rules: Geron, "Hands-On Machine Learning", chapter 11, which the project re-measures.
    """
    return [sentence for rule in RULES for sentence in rule(choices, regimen)]


def _selu(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("activation") != "selu":
        return
    if choices.get("init") not in LECUN:
        yield f"activation=selu with init={choices.get('init')}: SELU self-normalises only with init=lecun_normal"
    if regimen["data"].get("scale") != "standardize":
        yield "activation=selu needs standardised inputs to self-normalise: data.scale=standardize"
    regularization = regimen["regularization"]
    if regularization.get("dropout", 0) > 0:
        yield "activation=selu with plain dropout loses self-normalisation: regularization=alpha_dropout"
    if regularization.get("l1", 0) > 0:
        yield "activation=selu with l1 loses self-normalisation: l1 pulls weights away from unit variance"
    if choices.get("norm") == "batch":
        yield "activation=selu with norm=batch: SELU normalises by itself; norm=none suffices"


def _he(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    activation, init = choices.get("activation"), choices.get("init")
    if activation in RELU_FAMILY and init not in (*HE, *CONSTANT) and choices.get("norm") != "batch":
        yield f"activation={activation} with init={init}: the ReLU family trains best from init=he_normal"


def _symmetry(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("init") in CONSTANT:
        yield f"init={choices['init']}: all units of a layer stay equal, symmetry never breaks; draw weights at random"


def _momentum(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    value = regimen["optimizer"].get("momentum", regimen["optimizer"].get("beta_1", 0))
    if value > 0.99:
        yield f"momentum {value:g} averages over {1 / (1 - value) if value < 1 else float('inf'):.0f} steps and overshoots; 0.9 is usual"


def _dropout_with_batch_norm(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("norm") == "batch" and regimen["regularization"].get("dropout", 0) > 0:
        yield "dropout with norm=batch: dropout shifts the statistics that batch norm learns; use one of them"


def _bias(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("norm") == "batch" and regimen["norm"].get("position") == "after":
        yield "norm=batch after the activation keeps a bias that norm.position=before makes superfluous"


def _decay(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("optimizer") in ("adam", "nadam", "adamax") and regimen["regularization"].get("l2", 0) > 0:
        yield f"l2 inside optimizer={choices['optimizer']} is rescaled by its gradient history; for weight decay optimizer=adamw"


def _adagrad(choices: Mapping[str, str], regimen: Regimen) -> Iterator[str]:
    if choices.get("optimizer") == "adagrad" and len(regimen["model"].get("hidden", ())) >= DEEP:
        yield "optimizer=adagrad often stops too early on deep nets: its learning rate only ever shrinks"


RULES: tuple[Rule, ...] = (_selu, _he, _symmetry, _momentum, _dropout_with_batch_norm, _bias, _decay, _adagrad)
