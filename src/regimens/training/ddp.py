"""One trial on several devices (`trainer=ddp`): how its mini-batches are divided, and Lightning's trainer for it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy

from regimens.core.errors import UserError
from regimens.training.group import Group, Ranks

TARGET = "regimens.training.ddp.trainer"
SCALINGS: dict[str, Callable[[float], float]] = {"none": lambda growth: 1.0, "linear": float, "sqrt": math.sqrt}


@dataclass(frozen=True)
class Spread:
    """How mini-batches of `batch_size` samples, as configured, are divided over `devices` devices.

    Raises UserError where that is not possible.
    """

    batch_size: int
    devices: Any = 1
    batch: str = "global"
    lr_scaling: str = "none"
    sync_batchnorm: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.devices, bool) or not isinstance(self.devices, int) or self.devices < 1:
            raise UserError(f"trainer.devices={self.devices}: must be a whole number, 1 or more")
        if self.batch not in ("global", "per_device"):
            raise UserError(f"trainer.batch={self.batch}: must be global or per_device")
        if self.lr_scaling not in SCALINGS:
            raise UserError(f"trainer.lr_scaling={self.lr_scaling}: must be one of {', '.join(SCALINGS)}")
        if self.batch == "global" and self.batch_size % self.devices:
            raise UserError(
                f"batch_size={self.batch_size}: trainer.devices={self.devices} cannot share it evenly; "
                f"take a multiple of {self.devices}"
            )

    @property
    def effective_batch(self) -> int:
        """Samples per optimiser step."""
        return self.batch_size * (self.devices if self.batch == "per_device" else 1)

    @property
    def lr_factor(self) -> float:
        """The factor of the learning rate for a larger mini-batch (`lr_scaling`)."""
        return SCALINGS[self.lr_scaling](self.effective_batch / self.batch_size)

    @property
    def group(self) -> Group:
        """The processes that train this trial together."""
        return Ranks(self.sync_batchnorm) if self.devices > 1 else Group()

    def scaled(self, make_optimizer: Callable[..., torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
        """`make_optimizer` with its learning rate scaled."""

        def make(*arguments: Any) -> torch.optim.Optimizer:
            optimizer = make_optimizer(*arguments)
            for group in optimizer.param_groups:
                group["lr"] *= self.lr_factor
            return optimizer

        return make

    def describe(self) -> dict[str, Any]:
        """The entry of a result's provenance; empty for one device."""
        if self.devices == 1:
            return {}
        told = {
            "devices": self.devices,
            "backend": dist.get_backend(),
            "effective_batch": self.effective_batch,
            "lr_scaling": self.lr_scaling,
            "lr_factor": self.lr_factor,
            "sync_batchnorm": self.sync_batchnorm,
            "noise": "one stream a rank: dropout draws other masks than one process would",
        }
        return {"ddp": told}


def read_spread(trainer: Mapping[str, Any], batch_size: int) -> Spread:
    """The spread that a `trainer` node asks for; raises UserError for several devices in one process."""
    if trainer["_target_"] == TARGET:
        return Spread(batch_size, *(trainer[key] for key in ("devices", "batch", "lr_scaling", "sync_batchnorm")))
    devices = trainer.get("devices", 1)
    if devices != 1 and not (isinstance(devices, list) and len(devices) == 1):
        raise UserError(f"trainer.devices={devices}: here it is 1; for several devices, trainer=ddp")
    return Spread(batch_size)


def available(backend: str) -> bool:
    """Whether this build of torch has a backend of torch.distributed's, "gloo" or "nccl"."""
    return dist.is_available() and bool(getattr(dist, f"is_{backend}_available")())


class Unwrapped(DDPStrategy):
    """Lightning's DDP without torch's wrapper, which reduces once a `training_step`: ours holds many steps."""

    def configure_ddp(self) -> None:
        """Leave the module as it is; it reduces its gradients itself (`group.Ranks`)."""


def trainer(
    devices: int,
    accelerator: str = "auto",
    batch: str = "global",
    lr_scaling: str = "none",
    sync_batchnorm: bool = True,
    timeout: float = 600,
    **lightning: Any,
) -> pl.Trainer:
    """Lightning's trainer for a `Spread`; further keywords are the Trainer's own. Raises UserError."""
    gpus = torch.cuda.device_count()
    if accelerator == "auto":
        accelerator = "gpu" if gpus else "cpu"
    if accelerator == "gpu" and gpus < devices:
        raise UserError(f"trainer.devices={devices}: this process may use {gpus} GPUs; or trainer.accelerator=cpu")
    backend = "nccl" if accelerator == "gpu" else "gloo"
    if devices > 1 and not available(backend):
        raise UserError(f"trainer=ddp: this build of torch has no {backend}, by which processes talk to each other")
    strategy = Unwrapped(process_group_backend=backend, timeout=timedelta(seconds=timeout)) if devices > 1 else "auto"
    return pl.Trainer(
        devices=devices, accelerator=accelerator, strategy=strategy, use_distributed_sampler=False, **lightning
    )
