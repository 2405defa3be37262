"""Evaluate a trained regimen: its metrics, what its techniques did, what its probe recorded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regimens.core.examples import pack
from regimens.core.metrics import ALWAYS, AT_THE_END, CLASSES, MAXIMIZE, MINIMIZE, QUANTITIES
from regimens.trial.settings import Settings

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.module import RegimenModule

WATCHED = 1000  # validation examples for which a hidden unit is watched

Metrics = dict[str, float | None]
Acted = dict[str, dict[str, Any]]


def evaluate(
    module: "RegimenModule", split: "Split", settings: Settings, status: str
) -> tuple[Metrics, dict[str, Any] | None, Acted]:
    """The trial's metrics, from the weights that it ends with, which test examples it got right, and its dead units.

    Measured where the split's tensors are. The loss and accuracy (or rmse) in training are those of the weights' epoch,
    `epoch`, and so are those in validation where nothing else is asked of it: that epoch has validated these weights.
    The test set is read only where `test` asks for it; else the second is None.
    """
    import torch

    from regimens.nets.outputs import outputs_of
    from regimens.training.probes import lr_range
    from regimens.training.probes.acted import dead_units

    net = module.net.to(split.x_valid.device).eval()
    parameters = sum(p.numel() for p in net.parameters())
    if settings.probe == "lr_range":
        return lr_range.metrics(module.probe.report() or {}, parameters), None, {}
    history, kept, correct = module.history, module.actions.kept, None
    further = split.targets or module.measures.names or module.regularization.mc_samples or status != "completed"
    # A trainer may validate now and then only.
    validated = module.group.validates_whole and history.get("epoch", [])[kept - 1 : kept] == [kept]
    known = ("train", "val") if validated and not further else ("train",)
    names = [f"{part}/{name}" for part in known for name in ("loss", module.objective.measure)]
    metrics: Metrics = {name: history[name][kept - 1] for name in names if history.get(name)}
    dead = dead_units(net, split.x_valid[:WATCHED])
    parts = {"val": (split.x_valid, split.y_valid, outputs_of(net, split.x_valid))} if "val" not in known else {}
    if settings.test and status == "completed":
        parts["test"] = (split.x_test, split.y_test, outputs_of(net, split.x_test))
    for name, (x, y, logits) in parts.items():
        with torch.no_grad():
            loss = module.objective.loss(logits, y) + module.regularization.penalty(net)
            metrics[f"{name}/loss"] = float(loss)
            if not split.targets:
                right = module.objective.score(logits, y)
                metrics[f"{name}/accuracy"] = float(right.sum()) / len(y)
        asked = dict.fromkeys((*(AT_THE_END if split.targets else ()), *module.measures.names))
        metrics |= {f"{name}/{key}": value for key, value in module.measures.of(logits, y, tuple(asked)).items()}
        if name == "test" and not split.targets:
            correct = pack(right.cpu().numpy())
        metrics |= monte_carlo(module, name, x, y, settings)
    metrics |= sparsity(module, split, settings, tested="test" in parts)
    metrics |= fusion(net, split.x_valid[:WATCHED])
    metrics["parameters"] = parameters
    metrics["epochs"] = len(history.get("epoch", ()))
    metrics["epoch"] = kept
    return metrics, correct, dead


def metric_names(config: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """What `evaluate` can measure of a completed trial, and `time/train`: name -> whether to maximize or minimize it.

    "none" where neither is better. What is only measured where it is asked for is among it.
    """
    if settings.probe == "lr_range":
        found = dict.fromkeys(("lr/proposed", "lr/turning", "lr/blow_up"), "none")
        return {**found, "parameters": "minimize", "time/train": "minimize"}
    found = {}
    regression = config["task"]["kind"] == "regression"
    measured = QUANTITIES if regression else CLASSES
    (measure,) = ALWAYS["quantities" if regression else "classes"]
    for part in ("train", "val", *(("test",) if settings.test else ())):
        found |= {f"{part}/loss": MINIMIZE, f"{part}/{measure}": MINIMIZE if regression else MAXIMIZE}
        if part != "train":
            found |= {f"{part}/{name}": one.better for name, one in measured.items()}
        if part != "train" and config["regularization"].get("mc_samples"):
            found |= {f"{part}/mc_{measure}": MINIMIZE if regression else MAXIMIZE, f"{part}/mc_spread": "none"}
        if part != "train" and settings.probe == "zeros":
            found |= {f"{part}/pruned_{measure}": MINIMIZE if regression else MAXIMIZE}
            found |= {"zeros/exact_share": "none", "zeros/near_share": "none"}
    if str(config["norm"]["layer"].get("_target_")) == "regimens.nets.norm.BatchNorm":
        found |= dict.fromkeys(("time/predict", "time/predict_fused"), "minimize")
    return {**found, "parameters": "minimize", "epochs": "none", "epoch": "none", "time/train": "minimize"}


def sparsity(module: "RegimenModule", split: "Split", settings: Settings, *, tested: bool) -> Metrics:
    """How many weights are zero, or nearly, and what the network does without those; where the probe asks for it."""
    from regimens.nets.outputs import outputs_of
    from regimens.training.probes.acted import zero_share
    from regimens.training.probes.zeros import near_share, pruned

    if settings.probe != "zeros":
        return {}
    net, measure = pruned(module.net), module.objective.measure
    found: Metrics = {"zeros/exact_share": zero_share(module.net), "zeros/near_share": near_share(module.net)}
    parts = {"val": (split.x_valid, split.y_valid)} | ({"test": (split.x_test, split.y_test)} if tested else {})
    for name, (x, y) in parts.items():
        logits = outputs_of(net, x)
        right = None if split.targets else module.objective.score(logits, y)
        told = module.measures.of(logits, y, (measure,))[measure] if right is None else float(right.sum()) / len(y)
        found[f"{name}/pruned_{measure}"] = told
    return found


def fusion(net: Any, x: Any) -> dict[str, float | None]:
    """Seconds that one prediction of x (N, D) takes as trained, and with batch normalisation folded away, if any.

    On the processor, also of a network that was trained elsewhere.
    """
    import copy

    from regimens.nets.fuse import seconds_saved
    from regimens.nets.norm import BatchNorm

    if not any(isinstance(module, BatchNorm) for module in net.modules()):
        return {}
    plain, fused = seconds_saved(copy.deepcopy(net).cpu(), x.cpu(), repeats=11)
    return {"time/predict": plain, "time/predict_fused": fused}


def monte_carlo(module: "RegimenModule", name: str, x: Any, y: Any, settings: Settings) -> dict[str, float | None]:
    """Accuracy (or rmse) and mean spread of Monte Carlo dropout, where the regimen asks for samples."""
    from regimens.core.hashing import stream_seed
    from regimens.nets.monte_carlo import mc_predict

    samples = module.regularization.mc_samples
    if not samples:
        return {}
    seed, measures = stream_seed(settings.seed, f"monte carlo/{name}"), module.measures
    mean, spread = mc_predict(module.net, x, samples, seed, classes=not measures.quantities)
    if measures.quantities:
        told = measures.of(mean, y, ("rmse",))["rmse"]
        return {f"{name}/mc_rmse": told, f"{name}/mc_spread": float((spread * spread.new_tensor(measures.std)).mean())}
    predicted = mean.argmax(1) if mean.shape[1] > 1 else (mean.squeeze(1) > 0.5).to(y.dtype)
    return {f"{name}/mc_accuracy": float((predicted == y).double().mean()), f"{name}/mc_spread": float(spread.mean())}


def acted(module: "RegimenModule", choices: Mapping[str, str], settings: Settings, status: str) -> Acted:
    """What each technique of the regimen did; nothing is said of a range test's schedule, nor of the net it ruined."""
    from regimens.training.probes.acted import Techniques, Trained, report

    if settings.probe == "lr_range":
        return {}

    techniques = Techniques(
        clip=choices.get("clip", "none"),
        scheduler=choices.get("scheduler", "constant"),
        average=choices.get("average", "none"),
        restores=settings.restore == "best",
    )
    epochs = len(module.history.get("epoch", ()))
    trained = Trained(epochs, settings.epochs, module.actions.kept, status)
    return report(module.actions, techniques, module.regularization, trained, module.net)


def probed(module: "RegimenModule") -> dict[str, Any]:
    """What the probe recorded, under its field of the result."""
    return {module.probe.field: module.probe.report()}
