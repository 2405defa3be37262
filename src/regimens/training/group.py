"""The processes that train one trial together: each takes a part of every mini-batch, and gradients are summed.

A mini-batch's loss is a mean over its B samples. A rank with n of them weights its own mean by n / B, so that the sum
over ranks equals what one process computes on the whole mini-batch, also on the last, partial one.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from regimens.core.errors import Pruned
from regimens.core.hashing import stream_seed
from regimens.nets.dropout import Dropout
from regimens.nets.norm import synchronise

Tell = Callable[[int, dict[str, float]], None]


class Group:
    """What the training loop asks of the processes that train one trial: here one process, in `Ranks` several."""

    #: whether one network is validated on all examples; ranks may differ in batch norm's running statistics
    validates_whole = True

    def begin(self, net: nn.Module) -> None:
        """All processes are there, and `net` is on its device."""

    def part(self, indices: Tensor) -> Tensor:
        """This process's part of a mini-batch's indices (B,); it may be empty."""
        return indices

    def backward(self, loss: Tensor, weight: float, parameters: Sequence[Tensor]) -> None:
        """Put the gradients of `loss`, summed over the processes with their weights, into the parameters' `.grad`."""
        loss.backward()

    def sum(self, x: Tensor) -> Tensor:
        """The sum of `x` over the processes."""
        return x

    def together(self, tell: Tell) -> Tell:
        """`tell`, called in one process; if it raises Pruned there, all raise it."""
        return tell

    def end(self) -> None:
        """Training is over: every process but the first exits, so that one evaluates and writes."""


class Ranks(Group):
    """The processes of torch.distributed's default group."""

    validates_whole = False

    def __init__(self, sync_batchnorm: bool) -> None:
        self._sync = sync_batchnorm
        self._device: Any = None

    def begin(self, net: nn.Module) -> None:
        """Broadcast rank 0's weights; give this rank its own stream of dropout masks; share batch-norm statistics."""
        with torch.no_grad():
            for tensor in net.state_dict().values():
                dist.broadcast(tensor, 0)
                self._device = tensor.device
        if rank := dist.get_rank():
            torch.manual_seed(stream_seed(torch.initial_seed(), f"rank {rank}"))
            for module in net.modules():
                if isinstance(module, Dropout):
                    module.draw_key()
        if self._sync:
            synchronise(net)

    def part(self, indices: Tensor) -> Tensor:
        """A consecutive part; where it cannot be even, the first ranks have one sample more."""
        return indices.tensor_split(dist.get_world_size())[dist.get_rank()]

    def backward(self, loss: Tensor, weight: float, parameters: Sequence[Tensor]) -> None:
        """One all-reduce for all gradients: latency dominates for small networks."""
        (loss * weight).backward()
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        for grad, summed in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(summed.view_as(grad))

    def sum(self, x: Tensor) -> Tensor:
        """The sum, the same bits in every rank."""
        total = x.clone()
        dist.all_reduce(total)
        return total

    def together(self, tell: Tell) -> Tell:
        """Rank 0 calls `tell`; all ranks learn whether it raised Pruned."""

        def told(epoch: int, numbers: dict[str, float]) -> None:
            pruned = torch.zeros((), device=self._device)
            if dist.get_rank() == 0:
                try:
                    tell(epoch, numbers)
                except Pruned:
                    pruned += 1
            if self.sum(pruned) > 0:
                raise Pruned(f"pruned after epoch {epoch}")

        return told

    def end(self) -> None:
        """Exit in every rank but 0, which evaluates and writes the result."""
        if dist.get_rank():
            sys.exit(0)
