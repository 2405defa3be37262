"""What a trained regimen came to: its metrics, what its techniques did, what its probe saw."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regimens.settings import Settings

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.module import Regimen


def evaluate(module: "Regimen", split: "Split", settings: Settings, status: str) -> dict[str, float | None]:
    """The trial's metrics, from the weights that it ends with, those of `epoch`.

    The loss and accuracy in training are that epoch's; the test set is read only where `test` asks for it.
    """
    import torch

    from regimens.training import lr_range

    net = module.net.cpu().eval()
    parameters = sum(p.numel() for p in net.parameters())
    if settings.probe == "lr_range":
        return lr_range.metrics(module.probe.report() or {}, parameters)
    history, kept = module.history, module.actions.kept
    metrics: dict[str, float | None] = {
        name: history[name][kept - 1] for name in ("train/loss", "train/accuracy") if name in history
    }
    parts = {"val": (split.x_valid, split.y_valid)}
    if settings.test and status == "completed":
        parts["test"] = (split.x_test, split.y_test)
    for name, (x, y) in parts.items():
        with torch.no_grad():
            logits = torch.cat([net(chunk) for chunk in x.split(1000)])
            loss = module.objective.loss(logits, y) + module.regularization.penalty(net)
            metrics[f"{name}/loss"] = float(loss)
            metrics[f"{name}/accuracy"] = float(module.objective.correct(logits, y)) / len(y)
        metrics |= monte_carlo(module, name, x, y, settings)
    metrics |= fusion(net, split.x_valid[:1000])
    metrics["parameters"] = parameters
    metrics["epochs"] = len(history.get("epoch", ()))
    metrics["epoch"] = kept
    return metrics


def fusion(net: Any, x: Any) -> dict[str, float | None]:
    """Seconds that one prediction of x (N, D) takes as trained, and with batch normalisation folded away, if any."""
    from regimens.nets.fuse import seconds_saved
    from regimens.nets.norm import BatchNorm

    if not any(isinstance(module, BatchNorm) for module in net.modules()):
        return {}
    plain, fused = seconds_saved(net, x, repeats=11)
    return {"time/predict": plain, "time/predict_fused": fused}


def monte_carlo(module: "Regimen", name: str, x: Any, y: Any, settings: Settings) -> dict[str, float | None]:
    """Accuracy and mean spread of Monte Carlo dropout, where the regimen asks for samples."""
    from regimens.nets.monte_carlo import mc_predict
    from regimens.training.seeds import derive

    samples = module.regularization.mc_samples
    if not samples:
        return {}
    mean, spread = mc_predict(module.net, x, samples, derive(settings.seed, f"monte carlo/{name}"))
    predicted = mean.argmax(1) if mean.shape[1] > 1 else (mean.squeeze(1) > 0.5).to(y.dtype)
    return {f"{name}/mc_accuracy": float((predicted == y).double().mean()), f"{name}/mc_spread": float(spread.mean())}


def acted(
    module: "Regimen", choices: Mapping[str, str], settings: Settings, split: "Split", status: str
) -> dict[str, dict[str, Any]]:
    """What each technique of the regimen did; nothing is said of a range test's schedule, nor of the net it ruined."""
    from regimens.training.acted import Techniques, dead_units, report

    if settings.probe == "lr_range":
        return {}

    techniques = Techniques(
        clip=choices.get("clip", "none"),
        scheduler=choices.get("scheduler", "constant"),
        average=choices.get("average", "none"),
        restores=settings.restore == "best",
    )
    epochs = len(module.history.get("epoch", ()))
    entries = report(module.actions, techniques, module.regularization, epochs, settings.epochs, module.net, status)
    return {**entries, **dead_units(module.net, split.x_valid)}


def probed(module: "Regimen") -> dict[str, Any]:
    """What the probe saw, under the result's field for it."""
    return {module.probe.field: module.probe.report()}
