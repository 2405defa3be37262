"""Transfer: initialise a network from earlier training, and train it in phases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from regimens.core.errors import UserError
from regimens.nets.mlp import blocks_of, kernels
from regimens.training.own_optimizer import to_train
from regimens.training.phases import Phase

MakeOptimizer = Callable[[list[Tensor], float | None], torch.optim.Optimizer]


@dataclass(frozen=True)
class NoTransfer:
    """From scratch: one phase, nothing copied."""

    needs_unlabelled = False

    def hidden(self, hidden: Sequence[int]) -> list[int]:
        """The hidden sizes, as they are."""
        return list(hidden)

    def prepare(self, net: nn.Module, unlabelled: Tensor, make_optimizer: MakeOptimizer, seed: int) -> None:
        """Nothing to copy."""

    def phases(self, epochs: int) -> list[Phase]:
        """All epochs in one phase."""
        return [Phase(epochs)]


@dataclass(frozen=True)
class FromA:
    """Copy the first `reuse` blocks of a trained network, freeze them for `freeze_epochs`, then train all.

    `checkpoint`: a run directory or a safetensors file. `lr`: the learning rate after unfreezing (None: the
    optimiser's own). `top`: the hidden layers above the reused ones are fresh (`replace`) or left out (`drop`).
    The output layer is always new. Raises UserError for a checkpoint that is missing, no weights, or of another shape.
    """

    checkpoint: str | None
    reuse: int
    freeze_epochs: int
    lr: float | None = None
    top: str = "replace"
    needs_unlabelled = False

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise UserError("transfer.checkpoint is not set: name a trained net's run directory or .safetensors file")
        for key in ("reuse", "freeze_epochs"):
            _whole(key, getattr(self, key), 0)
        if self.lr is not None and self.lr <= 0:
            raise UserError(f"transfer.lr={self.lr}: must be above 0, or null for the optimiser's own")
        if self.top not in ("replace", "drop"):
            raise UserError(f"transfer.top={self.top!r}: must be replace or drop")

    def hidden(self, hidden: Sequence[int]) -> list[int]:
        """The hidden sizes that remain; raises UserError where more layers are to be reused than there are."""
        if self.reuse > len(hidden):
            raise UserError(
                f"transfer.reuse={self.reuse}: the net has {len(hidden)} hidden layers; reuse at most {len(hidden)}"
            )
        return list(hidden[: self.reuse]) if self.top == "drop" else list(hidden)

    def prepare(self, net: nn.Module, unlabelled: Tensor, make_optimizer: MakeOptimizer, seed: int) -> None:
        """Copy the reused blocks' state into `net`; the checkpoint itself is never written."""
        path, state = load_weights(str(self.checkpoint))
        blocks = blocks_of(net)
        reused = {f"layers.{i}.": (f"hidden layer {i + 1}", blocks[i]) for i in range(self.reuse)}
        if self.reuse and (first := _input_norm(net)):
            reused["input_norm."] = ("input norm", first)
        for prefix, (name, module) in reused.items():
            block = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            mine, theirs = shapes(module.state_dict()), shapes(block)
            if mine != theirs:
                raise UserError(f"{path}: {name} is {theirs or 'absent'}, this net's is {mine}")
            module.load_state_dict(block)

    def phases(self, epochs: int) -> list[Phase]:
        """The frozen epochs, then the rest; only one phase where all epochs are frozen."""
        frozen = min(self.freeze_epochs, epochs)
        stages = [Phase(frozen, self.reuse), Phase(epochs - frozen, 0, self.lr)]
        return [stage for stage in stages if stage.epochs > 0]


@dataclass(frozen=True)
class Autoencoder:
    """Pre-train the hidden layers to reconstruct unlabelled inputs (squared error, linear decoder), then train all.

    `epochs` passes over the unlabelled inputs at the optimiser's own learning rate (`lr` overrides it), then
    `freeze_epochs` epochs with the hidden layers frozen, then the rest.
    """

    epochs: int
    freeze_epochs: int = 0
    lr: float | None = None
    batch_size: int = 32
    needs_unlabelled = True

    def __post_init__(self) -> None:
        for key, least in (("epochs", 1), ("batch_size", 1), ("freeze_epochs", 0)):
            _whole(key, getattr(self, key), least)

    def hidden(self, hidden: Sequence[int]) -> list[int]:
        """The hidden sizes, as they are."""
        return list(hidden)

    def prepare(self, net: nn.Module, unlabelled: Tensor, make_optimizer: MakeOptimizer, seed: int) -> None:
        """Train the encoder with a linear decoder that is then discarded; `unlabelled` is (N, D)."""
        first = [module for module in (getattr(net, "picture", None), _input_norm(net)) if module]
        encoder = nn.Sequential(*first, *blocks_of(net)[:-1])
        generator = torch.Generator().manual_seed(seed)
        width = list(kernels(net).values())[-1].shape[1]
        if (flatten := getattr(blocks_of(net)[-1], "flatten", None)) is not None:
            encoder.append(flatten)
        decoder = nn.Linear(width, unlabelled.shape[1], dtype=unlabelled.dtype)
        nn.init.xavier_uniform_(decoder.weight, generator=generator)
        nn.init.zeros_(decoder.bias)
        parameters: list[Tensor] = [*encoder.parameters(), *decoder.parameters()]
        optimizer = make_optimizer(parameters, self.lr)
        net.train()
        to_train(optimizer, True)
        for _ in range(self.epochs):
            for indices in torch.randperm(len(unlabelled), generator=generator).split(self.batch_size):
                batch = unlabelled.index_select(0, indices)
                optimizer.zero_grad()
                nn.functional.mse_loss(decoder(encoder(batch)), batch).backward()
                optimizer.step()
        to_train(optimizer, False)

    def phases(self, epochs: int) -> list[Phase]:
        """As for a transferred network: frozen epochs, then all."""
        frozen = min(self.freeze_epochs, epochs)
        return [stage for stage in (Phase(frozen, 10**6), Phase(epochs - frozen)) if stage.epochs > 0]


def load_weights(checkpoint: str) -> tuple[Path, dict[str, Tensor]]:
    """The path and the tensors of a checkpoint; only safetensors is read, nothing is ever unpickled."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(checkpoint)
    path = path / "final.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"transfer.checkpoint={checkpoint}: no such run or file; train one with experiment=task_a")
    try:
        return path, load_file(path)
    except (SafetensorError, OSError) as err:
        raise UserError(f"{path}: not a safetensors file of weights ({err})") from err


def shapes(state: dict[str, Tensor]) -> str:
    """A readable list of a block's shapes."""
    return ", ".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))


def _input_norm(net: nn.Module) -> nn.Module | None:
    return getattr(net, "input_norm", None)


def _whole(key: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"transfer.{key}={value}: must be a whole number, {least} or more")
