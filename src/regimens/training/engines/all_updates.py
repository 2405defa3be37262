"""The updates of all the catalogue's rules as one function, of which a step uses one.

A C++ file of one update takes its compiler as long as a file of eight. Where a step takes one of them, it gives the
others vectors without elements.
"""

import math
from collections.abc import Callable
from itertools import islice
from typing import Any

from torch import Tensor, nn

from regimens.training.engines.flat import Part
from regimens.training.engines.trace_cache import Lower, trace
from regimens.training.updates import Rule, family

# Coefficients that the function is given, or more where a rule has more; about the length that it is made for.
WIDTH, LENGTH = 8, 100_000


def padded(coefficients: Tensor) -> Tensor:
    """Coefficients (..., n) with zeros after them, as many as every rule takes."""
    return nn.functional.pad(coefficients, (0, max(0, WIDTH - coefficients.shape[-1])))


def update_of(rule: type[Rule], part: Part, coefficients: Tensor, lower: Lower) -> Callable[[Tensor], Any]:
    """(coefficients) -> None; moves `part` by `rule`, and leaves zeros in place of its gradients.

    coefficients: `padded`, of the rule, whatever their values. Raises what `lower` raises.
    """
    forms = [(one, ndim) for one in family(rule) for ndim in ((1, 2) if one.tells_kernels else (1,))]

    def move(c: Tensor, *flat: Tensor) -> None:
        vectors = iter(flat)
        for one, _ in forms:
            p, g, *state = islice(vectors, len(one.slots) + 2)
            one.update(p, g, tuple(state), c.unbind())
            g.copy_(g > math.inf)  # zeros; `zero_` would be a loop of its own, as it does not read g

    def vectors(one: type[Rule], ndim: int, length: int) -> Part:
        shape = (1,) * (ndim - 1) + (length,)
        return tuple(part[0].new_empty(shape) for _ in range(len(one.slots) + 2))

    # Each of another length, or one length would have to serve them all.
    example = [one for i, form in enumerate(forms) for one in vectors(*form, LENGTH + i)]
    run = trace(("update", *forms), move, [coefficients, *example], lower)
    own = (rule, part[0].ndim)
    given = [one for form in forms for one in (part if form == own else vectors(*form, 0))]
    return lambda coefficients: run(coefficients, *given)
