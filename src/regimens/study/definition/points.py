"""The points at which a cell's ranges are tried: drawn beforehand, each once, the same for whoever asks and when."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from regimens.study.definition.composer import override_text
from regimens.study.definition.samplers import make_sampler
from regimens.study.definition.search_space import Range


def draw(
    ranges: Mapping[str, Range], default: Mapping[str, Any], sampler: str, count: int, seed: int
) -> list[dict[str, Any]]:
    """`count` points of a space, the default first, or all of its points where it has fewer.

    The list is the same for the same arguments; a longer one starts with the shorter one.
    """
    if not ranges:
        return [{}]
    count = min(count, size_of(ranges, default))
    found = {text_of(default): dict(default)}
    drawn = _sampled(ranges, sampler, seed, most=20 * count + 100)
    for point in itertools.chain(drawn, _everything(ranges)):
        if len(found) >= count:
            break
        found.setdefault(text_of(point), point)
    return list(found.values())


def size_of(ranges: Mapping[str, Range], default: Mapping[str, Any]) -> int:
    """How many points a space has, its default included; as good as endless where there are fractions."""
    outside = not all(one.contains(default[path]) for path, one in ranges.items())
    return int(min(math.prod(one.size for one in ranges.values()) + outside, 1e9))


def text_of(point: Mapping[str, Any]) -> str:
    """A point by its values."""
    return override_text(dict(sorted(point.items())))


def _sampled(ranges: Mapping[str, Range], sampler: str, seed: int, most: int) -> Iterator[dict[str, Any]]:
    """At most so many points from one of Optuna's samplers."""
    import optuna

    distributions = {path: one.distribution() for path, one in ranges.items()}
    study = optuna.create_study(sampler=make_sampler(sampler, seed))
    for number in range(most):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.tell(trial := study.ask(distributions), 0.0)
        # The sampler spends its first draw on a point of no structure; the default takes that place.
        if number:
            yield {path: ranges[path].decode(value) for path, value in trial.params.items()}


def _everything(ranges: Mapping[str, Range]) -> Iterator[dict[str, Any]]:
    """Every point of a space of choices and whole numbers, in order; nothing of one with fractions."""
    if all(one.size < math.inf for one in ranges.values()):
        axes = [one.grid(int(one.size)) for one in ranges.values()]
        for values in itertools.product(*axes):
            yield dict(zip(ranges, values, strict=True))
