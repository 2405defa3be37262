"""A training step in pieces that are compiled apart: gradients, update, bound.

Forward and backward pass are the same for all optimisers, and an update for all networks, so neither is compiled again
with each of the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.utils import _pytree as pytree

from regimens.training.engine import Job, shape, shape_of_gradients, weights_of
from regimens.training.engines.all_updates import padded, update_of
from regimens.training.engines.flat import Flat
from regimens.training.engines.trace_cache import Lower, trace
from regimens.training.functional import Gradients, Weights, constrain, numbers_of
from regimens.training.optimizers import RuleOptimizer


@dataclass(frozen=True)
class Lowers:
    """What turns a piece into code: for tensors of these sizes, and for vectors of any size."""

    sized: Lower
    any_size: Lower


class Pieces:
    """Steps `job` on mini-batches of `size` examples; a call changes its network and its optimiser's state in place.

    The network's parameters are views of `Flat` vectors until `release`. Raises what `lowers` raises.
    """

    def __init__(self, job: Job, size: int, lowers: Lowers) -> None:
        optimizer = job.optimizer
        assert isinstance(optimizer, RuleOptimizer)
        self._flat = Flat(job.net, optimizer)
        self._none = job.x.new_zeros(1)
        numbers = {name: job.x.new_tensor(value) for name, value in numbers_of(job.regularization, job.clip).items()}
        weights = weights_of(job.net, optimizer)
        coefficients = padded(job.x.new_tensor(optimizer.rule.coefficients(1, 0.01)))
        try:
            # Updates first: while one worker compiles its network, others have what theirs need too.
            parts = self._flat.parts() if optimizer.rule.slots else []
            self._updates = [update_of(type(optimizer.rule), part, coefficients, lowers.any_size) for part in parts]
            self._gradients = self._pass(job, size, weights, numbers, coefficients, lowers.sized)
            self._bound = self._constraint(job, weights, numbers, lowers.sized)
        except Exception:
            self.release()
            raise

    def __call__(self, x: Tensor, y: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Step on x (B, D), y (B,) with a rule's `padded` coefficients; the first four TALLIES (4,), the fifth (1,)."""
        tallies = self._gradients(x, y, coefficients)
        for update in self._updates:
            update(coefficients)
        return tallies, self._bound()

    def release(self) -> None:
        """Give the network's parameters memory of their own again."""
        self._flat.release()

    def _pass(
        self, job: Job, size: int, weights: Weights, numbers: dict[str, Tensor], coefficients: Tensor, lower: Lower
    ) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """(x, y, coefficients) -> the first four tallies; adds the gradients to what is in their place.

        A rule without state is part of it: a gradient that is only added to a matrix need not be written down.
        """
        rule = job.optimizer.rule  # type: ignore[attr-defined]
        gradients = Gradients(job.net, job.objective, job.clip)
        places = self._flat.gradients if rule.slots else {}
        tree = (weights.trained, weights.fixed, weights.buffers, places, numbers)
        flat, spec = pytree.tree_flatten(tree)

        def found(x: Tensor, y: Tensor, c: Tensor, *flat: Tensor) -> Tensor:
            trained, fixed, buffers, places, numbers = pytree.tree_unflatten(list(flat), spec)
            grads, tallies = gradients(Weights(trained, fixed, buffers, {}), x, y, numbers)
            for name, gradient in zip(trained, grads, strict=True):
                if rule.slots:
                    places[name].add_(gradient)
                else:
                    rule.update(trained[name], gradient, (), c.unbind())
            return tallies

        example = [job.x.new_zeros(size, *job.x.shape[1:]), job.y.new_zeros(size, *job.y.shape[1:])]
        if rule.slots:  # the same code for all such rules
            run = trace(("gradients", shape_of_gradients(job)), found, [*example, self._none, *flat], lower)
            return lambda x, y, c: run(x, y, self._none, *flat)
        run = trace(("gradients", shape(job)), found, [*example, coefficients, *flat], lower)
        return lambda x, y, c: run(x, y, c, *flat)

    def _constraint(self, job: Job, weights: Weights, numbers: dict[str, Tensor], lower: Lower) -> Callable[[], Tensor]:
        """() -> the fifth tally (1,); bounds the kernels."""
        if "max_norm" not in numbers:
            return lambda: self._none
        flat, spec = pytree.tree_flatten((weights.tensors, numbers))

        def bounded(*flat: Tensor) -> Tensor:
            tensors, numbers = pytree.tree_unflatten(list(flat), spec)
            outside = constrain(job.net, tensors, numbers, flat[0])
            return outside.to(flat[0]).unsqueeze(0)

        run = trace(("bound", shape_of_gradients(job)), bounded, flat, lower)
        return lambda: run(*flat)
