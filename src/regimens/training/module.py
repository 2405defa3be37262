"""The LightningModule: one regimen's arithmetic, stepped in blocks of mini-batches inside `training_step`.

Lightning's own loop costs more than a small network's step. So its "batch" is here a block of index mini-batches,
stepped by hand (manual optimisation); metrics gather in tensors and are read once an epoch.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from regimens.core.errors import UserError
from regimens.nets.mlp import blocks_of
from regimens.nets.outputs import outputs_of
from regimens.training.averaging import Average, Last, NoAverage
from regimens.training.engine import Engine, Job
from regimens.training.group import Group
from regimens.training.losses import Objective
from regimens.training.metrics import Measures
from regimens.training.mixup import Shares
from regimens.training.own_optimizer import modes, to_train
from regimens.training.phases import Phase, freeze, rest
from regimens.training.probes.acted import Actions
from regimens.training.probes.gradient_flow import Probe
from regimens.training.regularization import Regularization
from regimens.training.schedules import Schedule

Data = tuple[Tensor, Tensor]
Block = Sequence[Tensor]


class Diverged(Exception):  # noqa: N818 - it says what happened to the trial
    """The training loss is no longer a finite number."""


class RegimenModule(pl.LightningModule):
    """Trains `net` on `train` (x (N, D), y (N,)), validates on `valid`; `history`: metric -> a number per epoch.

    `make_optimizer(params, lr)` (lr None: the optimiser's own) and `make_schedule(optimizer, epochs)` are called anew
    in each phase; `data` may be replaced by the same on another device. Raises Diverged out of `fit` as soon as a
    block's loss is not finite, and what the probe raises.
    """

    def __init__(
        self,
        net: nn.Module,
        train: Data,
        valid: Data,
        objective: Objective,
        make_optimizer: Callable[[list[Tensor], float | None], Optimizer],
        make_schedule: Callable[[Optimizer, int], Schedule],
        clip: Callable[[list[Tensor]], Tensor],
        regularization: Regularization,
        phases: Sequence[Phase],
        probe: Probe | None = None,
        engine: Engine | None = None,
        group: Group | None = None,
        average: Average | None = None,
        measures: Measures | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = net
        self.objective = objective
        self.clip = clip
        self.regularization = regularization
        self.phases = list(phases)
        self.probe = probe or Probe()
        self.engine = engine or Engine()
        self.group = group or Group()
        self.measures = measures or Measures()
        self.shares = Shares(regularization.mixup)
        self.actions = Actions()
        self.averaged = (average or NoAverage()).judged(net)
        self.history: dict[str, list[float]] = {}
        self.data = {"train": train, "val": valid}
        self._make_optimizer = make_optimizer
        self._make_schedule = make_schedule
        self._frozen = 0
        self._fresh = False
        self._started = 0.0

    def setup(self, stage: str) -> None:
        """Move the data to the module's device once; every later batch is an index into it."""
        self.data = {name: (x.to(self.device), y.to(self.device)) for name, (x, y) in self.data.items()}

    def release(self) -> None:
        """Release the data: trainer and module reference each other, so only garbage collection would free it."""
        self.data = {}
        self.engine.end()

    def configure_optimizers(self) -> Optimizer:
        """The first phase's optimiser; later phases put theirs in its place."""
        return self._begin(self.phases[0])

    def on_fit_start(self) -> None:
        """Synchronise with the other processes, if any, and start the clock of `time`."""
        self.group.begin(self.net)
        self._started = time.perf_counter()

    @property
    def phase_starts(self) -> dict[int, Phase]:
        """The later phases by the epoch (from 0) in which they begin."""
        ends = list(accumulate(phase.epochs for phase in self.phases))
        return dict(zip(ends, self.phases[1:], strict=False))

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: `net` itself, or its averaged weights."""
        return self.averaged.of(self.net)

    @property
    def _layers(self) -> list[nn.Module]:
        return blocks_of(self.net)

    def on_train_epoch_start(self) -> None:
        """Begin the epoch, and a phase where its first epoch begins."""
        if self.begin_epoch(self.current_epoch):
            self.trainer.optimizers = [self._optimizer]
        if self._fresh:
            self.engine.begin(self.job())
            self._fresh = False
        self.probe.begin_epoch(self.current_epoch)

    def begin_epoch(self, epoch: int) -> bool:
        """Reset what is counted once an epoch (from 0); True where a later phase begins, with its own optimiser."""
        begun = epoch in self.phase_starts
        if begun:
            self._begin(self.phase_starts[epoch])
        to_train(self._optimizer, True)
        rest(self._layers, self._frozen)
        self.averaged.begin_epoch(self.net)
        self._sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        self._first_lr = self._schedule.lr
        return begun

    def _begin(self, phase: Phase) -> Optimizer:
        if any(one.frozen for one in self.phases):  # else what a network of the user's own has frozen stays so
            freeze(self._layers, phase.frozen)
        self._frozen = phase.frozen
        self._trainable: list[Tensor] = [p for p in self.net.parameters() if p.requires_grad]
        self._optimizer = self._make_optimizer(self._trainable, phase.lr)
        if modes(self._optimizer) and not isinstance(self.averaged, Last):
            raise UserError(f"{type(self._optimizer).__name__} averages the weights itself: average=none")
        # torch wraps `step` for its profiler, which costs as much as the update of a small network.
        self._move = getattr(self._optimizer, "move", self._optimizer.step)
        self._schedule = self._make_schedule(self._optimizer, phase.epochs)
        self._fresh = True
        return self._optimizer

    def job(self) -> Job:
        """What the current phase consists of."""
        parts = (self.net, self.objective, self._optimizer, self._schedule, self.clip, self.regularization)
        return Job(*parts, self.probe, self.actions, self.averaged, *self.data["train"])

    def training_step(self, block: Block, block_index: int) -> None:
        """Step once for each mini-batch of indices in `block`."""
        net, regularization, actions = self.net, self.regularization, self.actions
        data, labels = self.data["train"]
        block, taken = self.engine.take(block)
        losses: list[Tensor] = []
        penalties: list[Tensor] = []
        outputs: list[Tensor] = []
        parts = [self.group.part(whole) for whole in block]
        targets = [labels.index_select(0, indices) for indices in parts]
        for whole, indices, target in zip(block, parts, targets, strict=True):
            batch = data.index_select(0, indices)
            share, others = 1.0, indices
            if regularization.mixes:
                share, others = self.shares.draw(), self.group.part(whole.roll(1))
                batch = torch.lerp(batch, data.index_select(0, others), 1 - share)
            for parameter in self._trainable:
                parameter.grad = None
            logits = net(batch)
            loss = self._loss(logits, target)
            if regularization.mixes:
                loss = share * loss + (1 - share) * self._loss(logits, labels.index_select(0, others))
                actions.mixed(1 - share)
            if regularization.penalises:
                penalty = regularization.penalty(net)
                loss = loss + penalty
                penalties.append(penalty.detach())
            self.group.backward(loss, len(indices) / len(whole), self._trainable)
            actions.lr(self._schedule.lr)
            actions.clipped(self.clip(self._trainable))
            self.probe.stepping(loss, self._schedule.lr)
            self.probe.before(net, batch if indices is whole else data.index_select(0, whole))
            self._move()
            if regularization.constrains:
                actions.constrained(regularization.constrain(net))
            self.averaged.stepped(net)
            self.probe.after(net)
            self._schedule.step()
            losses.append(loss.detach())
            outputs.append(logits.detach())
        sums = torch.zeros(3, dtype=torch.float64, device=self.device) if taken is None else taken
        if losses:
            sums = sums + self._tally(losses, penalties, outputs, targets)
        sums = self.group.sum(sums)
        self._sums += sums
        total_loss = sums[0].item()
        if not math.isfinite(total_loss):
            raise Diverged(f"the training loss is {total_loss} in epoch {self.current_epoch + 1}")

    def _tally(
        self, losses: list[Tensor], penalties: list[Tensor], outputs: list[Tensor], targets: list[Tensor]
    ) -> Tensor:
        """(loss * samples, hits, penalty * samples) of a block, float64: one sum per block, as each costs a launch."""
        sizes = torch.tensor([len(target) for target in targets], dtype=torch.float64, device=self.device)
        loss = torch.dot(torch.stack(losses).double(), sizes)
        correct = self.objective.total(torch.cat(outputs), torch.cat(targets)).double()
        penalty = torch.dot(torch.stack(penalties).double(), sizes) if penalties else torch.zeros_like(loss)
        return torch.stack([loss, correct, penalty])

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        # A process may get no sample of a mini-batch smaller than the group: then zero loss and zero gradients.
        return self.objective.loss(logits, labels) if len(labels) else logits.sum()

    def on_validation_epoch_start(self) -> None:
        """Reset the validation sums, and make ready what is judged."""
        to_train(self._optimizer, False)
        self.averaged.ready(self.net, self.data["train"][0])
        self._valid = torch.zeros(3, dtype=torch.float64, device=self.device)
        self._outputs: Tensor | None = None

    def validation_step(self, whole: Tensor, index: int) -> None:
        """Add a chunk's loss and hits; the penalty is part of the reported loss, as in tf.keras."""
        indices = self.group.part(whole)
        x, y = (part.index_select(0, indices) for part in self.data["val"])
        net = self.judged
        logits = outputs_of(net, x)
        loss = self._loss(logits, y) + self.regularization.penalty(net)
        n = len(indices)
        self._valid += torch.stack([loss.double() * n, self.objective.total(logits, y).double(), loss.new_tensor(n)])
        if self.measures.names:
            if self._outputs is None:
                self._outputs = logits.new_zeros(len(self.data["val"][1]), logits.shape[1])
            self._outputs[indices] = logits

    def on_validation_epoch_end(self) -> None:
        """Close the epoch: its numbers go to Lightning's log, where early stopping looks for the validation loss."""
        if self.trainer.sanity_checking:
            return
        loss, correct, n = self.group.sum(self._valid).tolist()
        further = {}
        if self._outputs is not None:
            outputs = self.group.sum(self._outputs)  # each process has the rows of its part
            further = {f"val/{name}": value for name, value in self.measures.of(outputs, self.data["val"][1]).items()}
        elapsed = time.perf_counter() - self._started
        numbers = self.close_epoch(self.current_epoch, self._sums.tolist(), (loss / n, correct / n), elapsed, further)
        # Each costs as much as ten steps of a small network, so that without a logger no others are told.
        names = numbers if self.trainer.loggers else ("val/loss",)
        self.log_dict({name: torch.tensor(numbers[name], dtype=torch.float64) for name in names})
        self.probe.end_epoch()

    def close_epoch(
        self,
        epoch: int,
        sums: Sequence[float],
        valid: tuple[float, float],
        seconds: float,
        further: Mapping[str, float] = MappingProxyType({}),
    ) -> dict[str, float]:
        """Add the epoch (from 0) to `history`, pass its validation loss to the schedule, and return its numbers.

        sums: of loss * samples, scores and penalty * samples in training; valid: mean loss and score; seconds: since
        the training began; further: what else was measured.
        """
        loss, score, penalty = (one / len(self.data["train"][1]) for one in sums)
        measure, measured = self.objective.measure, self.objective.measured
        numbers = {
            "train/loss": loss,
            f"train/{measure}": measured(score),
            "val/loss": valid[0],
            f"val/{measure}": measured(valid[1]),
            **further,
            "lr/first": self._first_lr,
            "lr": self.actions.last_lr,
            "time": seconds,
        }
        self.actions.penalised(penalty, loss)
        self._schedule.epoch_end(numbers["val/loss"])
        for name, value in {"epoch": float(epoch + 1), **numbers}.items():
            self.history.setdefault(name, []).append(value)
        return numbers
