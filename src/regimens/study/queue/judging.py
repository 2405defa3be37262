"""What the finals of a study's cells say of each other, at its look: differences with intervals, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from regimens.stats.comparisons import Difference, Rule, against_best, against_contained, against_reference, best_of
from regimens.stats.sample import Sample
from regimens.stats.sequential import level_at
from regimens.stats.verdicts import blamed
from regimens.study.definition.study import Study


@dataclass
class Judgement:
    """label -> difference from the best cell of its group, from the reference, and from the cell that it contains.

    A group are the cells that were tested on the same examples: no others can be compared. `best`: one label a group.
    """

    rule: Rule
    best: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    vs_best: dict[str, Difference] = field(default_factory=dict)
    vs_default: dict[str, Difference] = field(default_factory=dict)
    vs_contained: dict[str, Difference] = field(default_factory=dict)


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


def judge(study: Study, samples: Mapping[str, Sample]) -> Judgement:
    """Compare the cells that have finals; each kind of comparison errs at most 5% of the time in the whole study."""
    groups: dict[str, list[str]] = {}
    for label, sample in samples.items():
        groups.setdefault(sample.images, []).append(label)
    rule = Rule(maximize=study.maximize, margin=margin_of(study), level=level_at(*looks_of(study)))
    judged = Judgement(rule, groups=list(groups.values()))
    each = replace(rule, level=rule.level / max(sum(len(group) > 1 for group in judged.groups), 1))
    contains = {cell.label: cell.contains for cell in study.cells if cell.contains}
    for group in judged.groups:
        own = {label: samples[label] for label in group}
        judged.best.append(best_of(own, maximize=study.maximize))
        judged.vs_contained |= against_contained(own, contains, each)
        judged.vs_best |= against_best(own, each)
        if study.reference in own:
            judged.vs_default |= against_reference(own, str(study.reference), rule)
    contained = {label: one.verdict for label, one in judged.vs_contained.items()}
    for family in (judged.vs_best, judged.vs_default):
        words = blamed({label: one.verdict for label, one in family.items()}, contained)
        family.update({label: replace(one, verdict=words[label]) for label, one in family.items()})
    return judged
