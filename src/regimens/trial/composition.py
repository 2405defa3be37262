"""The composition root: from a composed configuration to the data and the LightningModule that it describes."""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.build import build, explained, make
from regimens.core.errors import UserError
from regimens.core.plugins import permit
from regimens.trial import engine_choice
from regimens.trial.settings import Settings, check_names

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.ddp import Spread
    from regimens.training.engine import Engine
    from regimens.training.losses import Goal
    from regimens.training.metrics import Measures
    from regimens.training.module import RegimenModule


def load_data(config: Mapping[str, Any], **task: Any) -> "Split":
    """The tensors of the configured task, to test on only where a test is asked for; `task` replaces some keys."""
    from regimens.data import load

    return load(**_task(config, task), tested=bool(config.get("test")))


def look_at_data(config: Mapping[str, Any]) -> tuple[str, engine_choice.Size]:
    """The hash of the configured task's data, and the sizes that follow from them.

    Prepares the data without building tensors, and prints warnings about them, once, before anything is trained.
    """
    from regimens.data import cut

    permit(config.get("plugins"))
    found = cut(**_task(config, {}))
    for sentence in found.said:
        print(sentence, file=sys.stderr)
    spread = found.targets.spread if found.targets else 0.0
    size = engine_choice.Size(found.manifest["sizes"]["train"], found.n_inputs, found.n_outputs, spread)
    return str(found.manifest["hash"]), size


def _task(config: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `data.cut`."""
    from regimens.data import SPLIT_KEYS

    node = dict(config["data"])
    # A network of task A has met none of B's classes; any other may have been trained on what is held out.
    if node.get("held_out") and config["transfer"].get("checkpoint") and config["task"]["kind"] != "b":
        raise UserError(
            f"data.held_out={node['held_out']} with transfer.checkpoint: that network may have been trained on what is "
            "held out here: give data.held_out=null"
        )
    split = {key: node.pop(key) for key in SPLIT_KEYS if key in node}
    name = node["name"]
    source = build({**node, "_partial_": True})
    return {
        "source": source, "dataset": name, "directory": config["paths"]["data"],
        **split, **config["task"], **task,
    }  # fmt: skip


def build_module(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "RegimenModule":
    """The LightningModule that the configuration describes, initialised from the seed's own stream."""
    import torch

    from regimens.core.hashing import stream_seed
    from regimens.nets.compose import network
    from regimens.training import horizons, losses
    from regimens.training.averaging import NoAverage
    from regimens.training.module import RegimenModule
    from regimens.training.own_optimizer import maker
    from regimens.training.phases import Phase
    from regimens.training.probes import lr_range
    from regimens.training.probes.gradient_flow import GradientFlow, Probe
    from regimens.training.schedules import Schedule

    transfer = make(config["transfer"])
    held = config["regularization"]
    patience = horizons.whole("regularization.patience", held["patience"], settings.epochs)
    regularization = make({**held, "patience": patience})
    generator = torch.Generator().manual_seed(stream_seed(settings.seed, "init"))
    net = network(
        config,
        n_inputs=split.n_inputs,
        n_outputs=split.n_outputs,
        shape=split.inputs.shape if split.inputs else (split.n_inputs,),
        regularization=regularization,
        generator=generator,
    )
    # That of zeros looks at the weights alone, once they are trained.
    probe = {"gradients": GradientFlow, "lr_range": lr_range.RangeTest}.get(settings.probe, Probe)()
    make_optimizer, scheduler = maker(config["optimizer"], net), build(config["scheduler"])
    driving = {key: config["scheduler"][key] for key in ("interval", "warmup") if key in config["scheduler"]}
    steps, phases = math.ceil(len(split.y_train) / spread.effective_batch), transfer.phases(settings.epochs)
    average = make(config["average"]).over(steps)
    if settings.probe == "lr_range":  # in place of the regimen's own schedule, epochs, freezing and averages
        average = NoAverage()
        scheduler, driving, phases = lr_range.growing, {"interval": "step"}, [Phase(lr_range.epochs_needed(steps))]

    def make_schedule(optimizer: torch.optim.Optimizer, epochs: int) -> Schedule:
        with explained(config["scheduler"]):
            return Schedule(optimizer, scheduler, **driving, steps_per_epoch=steps, epochs=epochs)

    # Unsupervised pre-training sees all of task B's examples, not only the few that are labelled.
    unlabelled = load_data(config, b_train=None).x_train if transfer.needs_unlabelled else split.x_train[:0]
    transfer.prepare(net, unlabelled, make_optimizer, stream_seed(settings.seed, "transfer"))
    return RegimenModule(
        net,
        train=(split.x_train, split.y_train),
        valid=(split.x_valid, split.y_valid),
        objective=losses.objective_of(loss_of(config), goal_of(split)),
        measures=measures_of(config, split),
        make_optimizer=spread.scaled(make_optimizer),
        make_schedule=make_schedule,
        clip=make(config["clip"]),
        regularization=regularization,
        phases=phases,
        probe=probe,
        engine=engine(config, settings, spread, split),
        group=spread.group,
        average=average,
    )


def loss_of(config: Mapping[str, Any]) -> Any:
    """The configured loss: an object of its class, or a function of outputs and labels with its other arguments set."""
    with explained(config["loss"]):
        factory = build({**config["loss"], "_partial_": True})
        return factory() if isinstance(factory.func, type) else factory


def goal_of(split: "Split") -> "Goal":
    """What a loss has to know of what is learnt."""
    from regimens.training.losses import Goal

    counts = split.manifest.get("class_counts", {}).get("train", {}).values()
    return Goal(tuple(counts), split.binary, split.targets.std if split.targets else ())


def measures_of(config: Mapping[str, Any], split: "Split") -> "Measures":
    """What of the trial's outputs is measured."""
    from regimens.training import metrics

    names = check_names(config.get("metrics") or [], split.targets is not None)
    if split.targets is None:
        return metrics.Measures(names, split.n_classes)
    targets = split.targets
    return metrics.Measures(names, 0, targets.names, targets.mean, targets.std)


def engine_named(config: Mapping[str, Any], spread: "Spread", split: "Split") -> str:
    """The name of a trial's engine; "auto" is resolved for this trial on its own."""
    if config["engine"] != "auto":
        return str(config["engine"])
    size = engine_choice.Size(len(split.y_train), split.n_inputs, split.n_outputs)
    return "eager" if spread.devices > 1 else engine_choice.choose([engine_choice.Planned(config, size)])[0]


def engine(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "Engine":
    """The engine of a trial on its own; a study resolves "auto" for its trials when it is defined."""
    from regimens.training.engine import Engine
    from regimens.training.engines.compiled import Compiled

    if spread.devices > 1:
        return Engine("" if settings.engine == "eager" else "a trial on several devices steps eagerly")
    if engine_named(config, spread, split) == "compiled":
        return Compiled(cache=compiled_code(config))
    return Engine()


def compiled_code(config: Mapping[str, Any]) -> Path:
    """The directory of compiled code."""
    return Path(config["paths"]["root"]) / "cache" / "compiled"


def engine_of(module: "RegimenModule") -> dict[str, str]:
    """The engine that ran, and why it is not the one asked for."""
    note = {"engine_note": module.engine.note} if module.engine.note else {}
    return {"engine": module.engine.name, **note}
