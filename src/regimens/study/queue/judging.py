"""How a study's finals are judged: its margin, and which of how many looks at them this is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from regimens.stats import judging
from regimens.stats.comparisons import Rule
from regimens.stats.judging import Judgement, Short
from regimens.stats.sample import Sample
from regimens.stats.sequential import level_at
from regimens.study.definition.settings import ABLATE
from regimens.study.definition.study import Study


def margin_of(study: Study) -> float | None:
    """The margin within which differences are called equal."""
    return study.settle if study.settle is not None else study.margin


def looks_of(study: Study) -> tuple[int, int]:
    """(which look at the finals this is, how many there may be); one that asks for no further rounds looks once."""
    if study.settle is None or study.final_seeds:
        return 1, 1
    asked = max((len(cell.finals) for cell in study.cells), default=0)
    looks = math.ceil(study.most_seeds / study.seeds)
    return min(max(math.ceil(asked / study.seeds), 1), looks), looks


def judge(study: Study, samples: Mapping[str, Sample], short: Short = MappingProxyType({})) -> Judgement:
    """Compare the cells that have finals; each kind of comparison errs at most 5% of the time in the whole study.

    short: those whose finals fall short of their tuning.
    """
    rule = Rule(maximize=study.maximize, margin=margin_of(study), level=level_at(*looks_of(study)))
    contains = {cell.group: cell.contains for cell in study.cells if cell.contains}
    labels = list(study.groups)
    previous = dict(pairwise(reversed(labels))) if study.mode == ABLATE else {}
    return judging.judge(samples, rule, study.references, contains, previous, short)
