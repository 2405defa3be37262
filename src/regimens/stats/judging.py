"""What the samples of a study's cells say of each other: differences with intervals, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from regimens.stats.comparisons import Difference, Rule, against_best, against_contained, against_reference, best_of
from regimens.stats.sample import Sample
from regimens.stats.verdicts import blamed


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


def judge(samples: Mapping[str, Sample], rule: Rule, reference: str | None, contains: Mapping[str, str]) -> Judgement:
    """Compare the cells that have finals; each kind of comparison errs with `rule.level` in the whole study.

    reference: the label of the cell that the others are compared with. contains: label -> label of the cell that it
    contains as a limit.
    """
    groups: dict[str, list[str]] = {}
    for label, sample in samples.items():
        groups.setdefault(sample.images, []).append(label)
    judged = Judgement(rule, groups=list(groups.values()))
    each = replace(rule, level=rule.level / max(sum(len(group) > 1 for group in judged.groups), 1))
    for group in judged.groups:
        own = {label: samples[label] for label in group}
        judged.best.append(best_of(own, maximize=rule.maximize))
        judged.vs_contained |= against_contained(own, contains, each)
        judged.vs_best |= against_best(own, each)
        if reference in own:
            judged.vs_default |= against_reference(own, str(reference), rule)
    contained = {label: one.verdict for label, one in judged.vs_contained.items()}
    for family in (judged.vs_best, judged.vs_default):
        words = blamed({label: one.verdict for label, one in family.items()}, contained)
        family.update({label: replace(one, verdict=words[label]) for label, one in family.items()})
    return judged
