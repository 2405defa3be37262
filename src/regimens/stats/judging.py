"""What the samples of a study's cells say of each other: differences with intervals, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from regimens.stats.comparisons import Difference, Rule, against_best, against_pairs, against_reference, best_of
from regimens.stats.sample import Sample
from regimens.stats.verdicts import blamed

#: label -> by what the finals of a cell fall short of its tuning (rows.py)
Short = Mapping[str, Mapping[str, float | None]]


@dataclass
class Judgement:
    """label -> difference from the best of its group, the reference, the cell that it contains, and the step before.

    A group are the cells that were tested on the same examples: no others can be compared. `best`: one label a group.
    """

    rule: Rule
    best: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    vs_best: dict[str, Difference] = field(default_factory=dict)
    vs_default: dict[str, Difference] = field(default_factory=dict)
    vs_contained: dict[str, Difference] = field(default_factory=dict)
    vs_previous: dict[str, Difference] = field(default_factory=dict)
    short: Short = field(default_factory=dict)


def judge(
    samples: Mapping[str, Sample],
    rule: Rule,
    references: Sequence[str],
    contains: Mapping[str, str],
    previous: Mapping[str, str] = MappingProxyType({}),
    short: Short = MappingProxyType({}),
) -> Judgement:
    """Compare the cells that have finals; each kind of comparison errs with `rule.level` in the whole study.

    references: the labels of the cells that the others of their group are compared with. contains: label -> label of
    the cell that it contains as a limit. previous: label -> label of the step before, where the cells are a path.
    short: the cells whose finals fall short of what their tuning found.
    """
    groups: dict[str, list[str]] = {}
    for label, sample in samples.items():
        groups.setdefault(sample.images, []).append(label)
    judged = Judgement(rule, groups=list(groups.values()), short=short)
    each = replace(rule, level=rule.level / max(sum(len(group) > 1 for group in judged.groups), 1))
    for group in judged.groups:
        own = {label: samples[label] for label in group}
        judged.best.append(best_of(own, maximize=rule.maximize))
        judged.vs_contained |= against_pairs(own, contains, each)
        judged.vs_previous |= against_pairs(own, previous, each)
        judged.vs_best |= against_best(own, each)
        if reference := next((one for one in references if one in own), None):
            judged.vs_default |= against_reference(own, reference, each if len(references) > 1 else rule)
    contained = {label: one.verdict for label, one in judged.vs_contained.items()}
    for family in (judged.vs_best, judged.vs_default):
        words = blamed({label: one.verdict for label, one in family.items()}, contained, short)
        family.update({label: replace(one, verdict=words[label]) for label, one in family.items()})
    return judged
