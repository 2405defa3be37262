"""What an optimiser moves, as a vector each: one call moves all of it, by code for vectors of any length."""

import torch
from torch import Tensor, nn

from regimens.training.optimizers import RuleOptimizer

# Elements in a line of the processor's cache; each parameter begins a new one.
LINE = 16
# Vectors of one length: parameters, gradients, and each of the optimiser's slots.
Part = tuple[Tensor, ...]


class Flat:
    """A network's trained parameters, their gradients and optimiser state, kernels (two dimensions or more) first.

    Parameters and state keep their names, shapes and values and become views of the vectors, until `release`.
    gradients: the memory of each parameter's gradient, by name. Raises ValueError where the parameters are of several
    types.
    """

    def __init__(self, net: nn.Module, optimizer: RuleOptimizer) -> None:
        trained = sorted(((name, p) for name, p in net.named_parameters() if p.requires_grad), key=_is_vector)
        if len({p.dtype for _, p in trained}) != 1:
            raise ValueError("the parameters are of several types")
        self._rule, self._parameters = optimizer.rule, [p for _, p in trained]
        starts = [0]
        for p in self._parameters:
            optimizer.slots(p)  # made on first use
            starts.append(starts[-1] + -(-p.numel() // LINE) * LINE)
        self._states = [optimizer.state[p] for p in self._parameters]
        self._kernels = starts[sum(p.ndim > 1 for p in self._parameters)]
        like = self._parameters[0].detach()
        self._vectors = tuple(like.new_zeros(starts[-1]) for _ in ("parameters", "gradients", *self._rule.slots))
        self.gradients: dict[str, Tensor] = {}
        for (name, p), start, state in zip(trained, starts, self._states, strict=False):
            strides = torch.empty_like(p).stride()  # dense, in the same order
            own, gradient, *slots = (vector.as_strided(p.shape, strides, start) for vector in self._vectors)
            self.gradients[name] = gradient
            p.data = own.copy_(p.detach())
            for slot, view in zip(self._rule.slots, slots, strict=True):
                state[slot] = view.copy_(state[slot])

    def parts(self) -> list[Part]:
        """What `rule.update` moves in one call each: a matrix of all kernels by itself where the rule tells them."""
        if not self._rule.tells_kernels:
            return [self._vectors]
        kernels = tuple(vector[: self._kernels].unsqueeze(0) for vector in self._vectors)
        others = tuple(vector[self._kernels :] for vector in self._vectors)
        return [part for part in (kernels, others) if part[0].numel()]

    def release(self) -> None:
        """Give parameters and state memory of their own again."""
        for p, state in zip(self._parameters, self._states, strict=True):
            p.data = p.detach().clone()
            for slot in self._rule.slots:
                state[slot] = state[slot].clone()


def _is_vector(named: tuple[str, nn.Parameter]) -> bool:
    return named[1].ndim < 2
