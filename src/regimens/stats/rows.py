"""What finals say of a study, as plain values for its tables: means, differences, verdicts, what could be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regimens.core.result import Result
from regimens.core.shares import is_share
from regimens.stats.comparisons import LEVEL, Difference
from regimens.stats.finals import UNITS, completed, over, units_of
from regimens.stats.interaction import interaction
from regimens.stats.judging import Judgement
from regimens.stats.power import detectable
from regimens.stats.random_effects import Estimate
from regimens.stats.ranks import Ranks
from regimens.stats.sample import Sample, means
from regimens.stats.verdicts import falls_short
from regimens.stats.winner import quoted

#: of what the statistics of a table are; tables of another one are judged anew
SCHEMA = 4
Finals = Mapping[str, Sequence[Result]]


def mean_row(sample: Sample | None, finals: Sequence[Result], metric: str) -> dict[str, Any]:
    """A cell's mean with its 95% interval over units and, where its results say which they got right, test images.

    A share's interval ends at 0 and 1.
    sd: over units. se_seeds, se_images: the two parts of the mean's standard error. over: what the interval counts as
    random.
    """
    if sample is None:
        empty = dict.fromkeys(("mean", "ci_low", "ci_high", "sd", "se_seeds", "se_images"))
        return {"n": 0, **empty, "over": []}
    found = means([sample])
    mean, own = float(found.mean[0]), found.images
    told = Estimate.of(mean, *found.one(0)) if sample.n > 1 else Estimate(mean)
    told = told.within(0, 1) if is_share(metric) else told
    return {
        "n": sample.n,
        "mean": mean,
        "ci_low": told.low,
        "ci_high": told.high,
        "sd": float(sample.values.std(ddof=1)) if sample.n > 1 else None,
        "se_seeds": float(found.seeds[0] ** 0.5) if sample.n > 1 else None,
        "se_images": None if own is None or sample.n < 2 else max(float(own[0, 0]), 0.0) ** 0.5,
        "over": over(finals, sample),
    }


def difference_row(one: Difference | None, images: bool) -> dict[str, Any] | None:
    """A comparison as plain values; `images`: whether its interval holds the test images, too."""
    if one is None:
        return None
    return {
        "against": one.against,
        "n": list(one.n),
        "diff": one.diff,
        "ci_low": one.low,
        "ci_high": one.high,
        "p": one.p,
        "se": one.se,
        "df": one.df,
        "images": images,
        "verdict": one.verdict,
    }


def comparison_rows(label: str, judged: Judgement | None, samples: Mapping[str, Sample]) -> dict[str, Any]:
    """A cell's comparisons: with the best of its group, the reference, and the cell that it contains."""
    if judged is None:
        return {"best": False, "vs_best": None, "vs_default": None, "vs_contained": None, "falls_short": None}
    families = {"vs_previous": judged.vs_previous} if judged.vs_previous else {}
    families |= {"vs_best": judged.vs_best, "vs_default": judged.vs_default, "vs_contained": judged.vs_contained}
    told = {}
    for name, family in families.items():
        one = family.get(label)
        images = one is not None and means([samples[label], samples[one.against]]).images is not None
        told[name] = difference_row(one, images)
    return {"best": label in judged.best, **told, "falls_short": judged.short.get(label)}


def falling_short(
    tuned: Finals, finals: Finals, metric: str, *, maximize: bool, margin: float | None
) -> dict[str, dict[str, float | None]]:
    """The cells whose finals miss what their tuning found: label -> the upper quartiles of both (`falls_short`).

    Repetitions of the tuning and splits of the data, which choose a value each, are left out.
    """
    rows = {
        label: _falls_short_row(tuned[label], found, metric, maximize=maximize, margin=margin)
        for label, found in finals.items()
    }
    return {label: row for label, row in rows.items() if row is not None}


def _falls_short_row(
    tuned: Sequence[Result], finals: Sequence[Result], metric: str, *, maximize: bool, margin: float | None
) -> dict[str, float | None] | None:
    if any((one.study or {}).get(unit) is not None for one in finals for unit in UNITS):
        return None
    tried, reached = (
        [float(value) for one in completed(trials) if (value := one.metrics.get(metric)) is not None]
        for trials in (tuned, finals)
    )
    lost = [None] * sum(one.status == "diverged" for one in finals)
    found = falls_short(tried, [*reached, *lost], maximize=maximize, margin=margin)
    return None if found is None else dict(zip(("tuning", "finals"), found, strict=True))


def judgement_row(judged: Judgement | None, samples: Mapping[str, Sample]) -> dict[str, Any]:
    """What holds for the study as a whole: its rule, the scatter of its cells, and the difference that it detects."""
    if judged is None:
        return {"margin": None, "level": None, "pooled_sd": None, "detectable": None, "images": 0}
    own = [samples[label] for group in judged.groups for label in group if samples[label].n > 1]
    return {
        "margin": judged.rule.margin,
        "level": LEVEL,
        "pooled_sd": pooled_sd(own),
        "detectable": smallest_detectable(judged),
        "images": min((one.correct.shape[1] if one.correct is not None else 0 for one in own), default=0),
    }


def pooled_sd(samples: Sequence[Sample]) -> float | None:
    """The deviation of a unit from its cell's mean, pooled over cells."""
    spread = [(one.n - 1, float(one.values.var(ddof=1))) for one in samples if one.n > 1]
    return (sum(d * v for d, v in spread) / sum(d for d, _ in spread)) ** 0.5 if spread else None


def smallest_detectable(judged: Judgement) -> float | None:
    """The difference from the best that is found with a power of 80%: the median of the comparisons, each by its own.

    Each has the standard error, degrees of freedom and level that it is judged by.
    """
    found = [detectable(one.se or 0, one.df or 0, one.level or 0) for one in judged.vs_best.values()]
    told = [one for one in found if one is not None]
    return float(np.median(told)) if told else None


def winner_row(judged: Judgement | None, finals: Finals, picking: str, quoting: str) -> dict[str, Any] | None:
    """The best cell's number as it is quoted: of each seed, what the cell reached on it that the other seeds picked.

    picking, quoting: the metrics. None where there is nothing to pick from, or too little to pick by.
    """
    if judged is None or len(judged.groups) != 1 or len(judged.groups[0]) < 2:
        return None
    by, of = ({label: units_of(finals[label], name) for label in judged.groups[0]} for name in (picking, quoting))
    numbered = {key: number for number, key in enumerate(sorted({k for one in by.values() for k in one}, key=str))}
    found = quoted(
        {label: {numbered[key]: v for key, v in one.items()} for label, one in by.items()},
        {label: {numbered[key]: v for key, v in one.items() if key in numbered} for label, one in of.items()},
        maximize=judged.rule.maximize,
    )
    return None if found is None else {"label": judged.best[0], "mean": found.mean, "n": found.n}


def interaction_row(cells: Mapping[str, Mapping[str, Any]], samples: Mapping[str, Sample]) -> dict[str, Any] | None:
    """The test of whether what one compared axis does depends on the other; None unless two axes span a whole grid.

    cells: label -> the cell's values on the compared axes.
    """
    axes = list(dict.fromkeys(axis for values in cells.values() for axis in values))
    varied = [axis for axis in axes if len({str(values.get(axis)) for values in cells.values()}) > 1]
    if len(varied) != 2 or len(samples) < len(cells) or len({one.images for one in samples.values()}) > 1:
        return None
    one, other = varied
    grid = {(str(cells[label].get(one)), str(cells[label].get(other))): samples[label] for label in cells}
    found = interaction(grid) if len(grid) == len(cells) else None
    return None if found is None else {"axes": varied, "p": found.p, "size": found.size, "df": found.df}


def ranks_row(axis: str, found: Ranks | None) -> dict[str, Any] | None:
    """What the values of one compared axis say together as a sample of problems, as plain values."""
    if found is None:
        return None
    gains = {
        label: {"diff": one.mean, "ci_low": one.low, "ci_high": one.high, "n": len(found.values)}
        for label, one in found.gain.items()
    }
    return {
        "axis": axis,
        "values": {problem: dict(one) for problem, one in found.values.items()},
        "mean": dict(found.mean),
        "p": found.p,
        "nemenyi": {label: dict(one) for label, one in found.nemenyi.items()},
        "vs_default": gains,
    }
