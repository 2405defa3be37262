"""The composition root: from a composed configuration to the data and the LightningModule that it describes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens import engines
from regimens.build import build, explained, make
from regimens.settings import Settings

if TYPE_CHECKING:
    from regimens.data.split import Split
    from regimens.training.compiled import Engine
    from regimens.training.ddp import Spread
    from regimens.training.module import Regimen


def load_data(config: Mapping[str, Any], **task: Any) -> "Split":
    """The tensors of the configured task; `task` replaces some of its keys."""
    from regimens.data import load

    return load(**_task(config, task))


def look_at_data(config: Mapping[str, Any]) -> tuple[str, engines.Size]:
    """The hash of the configured task's data, and what they make of a network.

    They are prepared and looked at for it, though not made into tensors.
    """
    from regimens.data import cut

    found = cut(**_task(config, {}))
    size = engines.Size(found.manifest["sizes"]["train"], found.n_inputs, found.n_outputs)
    return str(found.manifest["hash"]), size


def _task(config: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """What `data.cut` has to know."""
    from regimens.data import SPLIT_KEYS

    node = dict(config["data"])
    split = {key: node.pop(key) for key in SPLIT_KEYS if key in node}
    name = node["name"]
    source = build({**node, "_partial_": True})
    return {
        "source": source, "dataset": name, "directory": config["paths"]["data"],
        **split, **config["task"], **task,
    }  # fmt: skip


def compose(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "Regimen":
    """The LightningModule that the configuration describes, initialised from the seed's own stream."""
    import torch

    from regimens.training import losses, lr_range
    from regimens.training.gradient_flow import GradientFlow, NoProbe
    from regimens.training.module import Regimen
    from regimens.training.phases import Phase
    from regimens.training.schedules import Schedule
    from regimens.training.seeds import derive

    transfer = make(config["transfer"])
    regularization = make(config["regularization"])
    generator = torch.Generator().manual_seed(derive(settings.seed, "init"))
    model = {**config["model"], "hidden": transfer.hidden(config["model"]["hidden"])}
    net = make(
        model,
        n_inputs=split.n_inputs,
        n_outputs=split.n_outputs,
        init=build(config["init"]),
        activation=build(config["activation"]),
        norm=make(config["norm"]),
        regularization=regularization,
        generator=generator,
    )
    probe = {"none": NoProbe, "gradients": GradientFlow, "lr_range": lr_range.RangeTest}[settings.probe]()
    optimizer, scheduler = build(config["optimizer"]), build(config["scheduler"])
    pace = {key: config["scheduler"][key] for key in ("interval", "warmup") if key in config["scheduler"]}
    steps, phases = math.ceil(len(split.y_train) / spread.effective_batch), transfer.phases(settings.epochs)
    if settings.probe == "lr_range":  # in place of the regimen's own schedule, epochs and freezing
        scheduler, pace, phases = lr_range.growing, {"interval": "step"}, [Phase(lr_range.epochs_needed(steps))]

    def make_optimizer(parameters: list[torch.Tensor], lr: float | None) -> torch.optim.Optimizer:
        with explained(config["optimizer"]):
            return optimizer(parameters) if lr is None else optimizer(parameters, lr=lr)

    def make_schedule(optimizer: torch.optim.Optimizer, epochs: int) -> Schedule:
        with explained(config["scheduler"]):
            return Schedule(optimizer, scheduler, **pace, steps_per_epoch=steps, epochs=epochs)

    # A network that learns without labels sees all of task B's images, not the few that are labelled.
    unlabelled = load_data(config, b_train=None).x_train if transfer.needs_unlabelled else split.x_train[:0]
    transfer.prepare(net, unlabelled, make_optimizer, derive(settings.seed, "transfer"))
    return Regimen(
        net,
        train=(split.x_train, split.y_train),
        valid=(split.x_valid, split.y_valid),
        objective=losses.binary() if split.binary else losses.multiclass(),
        make_optimizer=spread.scaled(make_optimizer),
        make_schedule=make_schedule,
        clip=make(config["clip"]),
        regularization=regularization,
        phases=phases,
        probe=probe,
        engine=engine(config, settings, spread, split),
        group=spread.group,
    )


def engine(config: Mapping[str, Any], settings: Settings, spread: "Spread", split: "Split") -> "Engine":
    """The engine asked for; "auto" is this trial's own, as a study sets its trials' when it is defined."""
    from regimens.training.compiled import Compiled, Eager

    if spread.devices > 1:
        return Eager("" if settings.engine == "eager" else "a trial on several devices steps eagerly")
    size = engines.Size(len(split.y_train), split.n_inputs, split.n_outputs)
    if engines.choose(config, size, trials=1) == "compiled":
        return Compiled(compiled_code(config))
    return Eager()


def compiled_code(config: Mapping[str, Any]) -> Path:
    """The directory in which compiled code is kept."""
    return Path(config["paths"]["root"]) / "cache" / "compiled"


def engine_of(module: "Regimen") -> dict[str, str]:
    """The engine that ran, and why it is not the one asked for."""
    note = {"engine_note": module.engine.note} if module.engine.note else {}
    return {"engine": module.engine.name, **note}
