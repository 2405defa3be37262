"""Runs a batched fleet's step: traced, and several steps as one CUDA graph on a GPU.

Mapping a function over trials anew at every step costs more than a small net's arithmetic; a trace of it does not.
`torch.utils._pytree` is private and pinned by `torch==2.13.0` (docs/decisions/0010-rooms.md).
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils import _pytree as pytree

from regimens.training.engines.trace_cache import trace
from regimens.training.functional import Tensors

# Steps of one launch on a GPU.
LAUNCH = 8
WARM_UP = 2


class Mapped:
    """`function`, mapped over its arguments' first dimensions as `in_dims` says, traced once for each size of them."""

    def __init__(self, function: Callable[..., Any], in_dims: tuple[int | None, ...], kind: Hashable) -> None:
        self._function, self._kind = vmap(function, in_dims=in_dims), kind

    def __call__(self, *arguments: Any) -> Any:
        """What the function gives for these trees of tensors."""
        flat, spec = pytree.tree_flatten(arguments)
        run = trace(self._kind, lambda *flat: self._function(*pytree.tree_unflatten(list(flat), spec)), flat)
        with torch.no_grad():
            return run(*flat)


class Launcher:
    """Calls `step(parts, numbers, x, y, c)` of each trial once a step, where `parts` are changed in place.

    parts: {"trained", "fixed", "buffers", "slots"}. data: the examples x (N, ...), y (N, ...) that all trials draw
    from. kind: see `trace`.
    """

    def __init__(
        self,
        step: Callable[..., Tensor],
        parts: Mapping[str, Any],
        numbers: Tensors,
        data: tuple[Tensor, Tensor],
        kind: Hashable,
    ) -> None:
        self._step, self._parts, self._numbers, self._kind = vmap(step, randomness="error"), dict(parts), numbers, kind
        self._data = data
        self._runs: dict[tuple[int, ...], Callable[..., Tensor]] = {}
        self._cuda = next(iter(self._parts["trained"].values())).is_cuda

    def launches(self, steps: int) -> Iterator[tuple[int, int]]:
        """(first step, number of steps) of each launch that `steps` steps are made of."""
        most = next(n for n in (LAUNCH, LAUNCH // 2, LAUNCH // 4, 1) if n <= max(steps, 1)) if self._cuda else 1
        whole = steps - steps % most
        yield from ((start, most) for start in range(0, whole, most))
        yield from ((start, 1) for start in range(whole, steps))

    def __call__(self, indices: Tensor, c: Tensor) -> Tensor:
        """Take the steps of one launch on the examples `indices` (steps, trials, samples), with the coefficients
        c (steps, trials, n); the sums of their tallies, float64."""
        inputs, key = [indices, c], tuple(indices.shape)
        if key not in self._runs:
            self._runs[key] = self._prepare(inputs)
        with torch.no_grad():
            return self._runs[key](*inputs)

    def _prepare(self, inputs: list[Tensor]) -> Callable[..., Tensor]:
        state, state_spec = pytree.tree_flatten((self._parts, self._numbers, self._data))

        def step(*flat: Tensor) -> Tensor:
            parts, numbers, (x, y) = pytree.tree_unflatten(list(flat[: len(state)]), state_spec)
            indices, c = flat[len(state) :]
            return self._step(parts, numbers, *drawn(x, y, indices), c)

        run = trace(self._kind, step, [*state, *(value[0] for value in inputs)])

        def launch(indices: Tensor, c: Tensor) -> Tensor:
            steps = zip(indices, c, strict=True)
            return torch.stack([run(*state, *each) for each in steps]).double().sum(0)

        return Captured(launch, state, inputs) if self._cuda and len(inputs[0]) > 1 else launch


def drawn(x: Tensor, y: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """The examples of each trial, indices (trials, samples)."""
    flat = indices.flatten()
    return tuple(each.index_select(0, flat).view(*indices.shape, *each.shape[1:]) for each in (x, y))  # type: ignore[return-value]


class Captured:
    """One launch as a CUDA graph: `run(*inputs)`, which changes `state`, recorded once and replayed on other inputs."""

    def __init__(self, run: Callable[..., Tensor], state: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        self._inputs = [value.clone() for value in inputs]
        before = [value.clone() for value in state]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what a first call allocates must not be part of the graph
            for _ in range(WARM_UP):
                run(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        for value, old in zip(state, before, strict=True):
            value.copy_(old)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._sums = run(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Replay on these inputs; the result is good until the next call."""
        for mine, value in zip(self._inputs, inputs, strict=True):
            mine.copy_(value)
        self._graph.replay()
        return self._sums
