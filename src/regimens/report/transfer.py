"""Scratch against transferred: every seed a dot, pairs joined, the published pair marked.

Published pair (one run of the notes, docs/reference/parity.md, section 11): 97.05% and 99.40%. Independent
replications, same section: 98.0 +- 0.6% and 98.8 +- 0.6% over 89 pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from regimens.core.examples import unpack
from regimens.report.canvas import INK, Figure, drawing, percent_axis, svg, unit
from regimens.report.numbers import listing, plural, signed, value
from regimens.report.palette import Palette
from regimens.report.tables import Cell, Study, Trial
from regimens.stats.random_effects import crossed, fieller
from regimens.stats.sample import Array, image_covariance

PUBLISHED = (0.9705, 0.9940)
REPLICATED = ((0.980, 0.006), (0.988, 0.006))
SCRATCH = ("none", "scratch", "b_scratch")


@dataclass(frozen=True)
class Pair:
    """One seed, trained from scratch and transferred (from `model`), in one context (such as a pair of classes)."""

    context: str
    seed: int
    model: str
    scratch: float
    transferred: float
    #: (m,) what transfer gained on each test image: -1, 0 or 1; None where results do not say
    by_image: Array | None = field(default=None, compare=False, repr=False)


def is_scratch(cell: Cell) -> bool:
    """Whether a cell transfers nothing."""
    named = [str(v) for axis, v in cell.values.items() if axis.startswith("transfer")]
    return bool(named) and any(v in SCRATCH for v in named)


def is_transfer(study: Study) -> bool:
    """Whether a study compares transfer with scratch."""
    scratch = [is_scratch(c) for c in study.cells]
    return any(scratch) and not all(scratch)


def pairs(study: Study) -> list[Pair]:
    """Every (scratch, transferred) pair with one seed and equal other axes; the model of A is no such axis."""
    shared = [a for a in study.axes if not a.startswith("transfer") and _varies(study, a)]
    metric = study.metric

    def context(cell: Cell) -> str:
        return ", ".join(str(cell.values.get(axis)) for axis in shared)

    base = {(context(c), t.seed): t for c in study.cells if is_scratch(c) for t in c.finals}
    found = []
    for cell in (c for c in study.cells if not is_scratch(c)):
        for trial in cell.finals:
            scratch = base.get((context(cell), trial.seed))
            one, other = scratch.metric(metric) if scratch else None, trial.metric(metric)
            if scratch and one is not None and other is not None:
                gained = _by_image(scratch, trial) if metric == "test/accuracy" else None
                found.append(Pair(context(cell), trial.seed, cell.label, one, other, gained))
    return sorted(found, key=lambda p: (p.context, p.model, p.seed))


def _by_image(scratch: Trial, transferred: Trial) -> Array | None:
    one, other = unpack(scratch.raw.get("correct")), unpack(transferred.raw.get("correct"))
    if one is None or other is None or len(one) != len(other):
        return None
    return other.astype(float) - one.astype(float)


def _varies(study: Study, axis: str) -> bool:
    return len({str(c.values.get(axis)) for c in study.cells if is_scratch(c)}) > 1


@dataclass(frozen=True)
class Effect:
    """What pairs say: gain and error ratio (scratch / transferred) with 95% intervals over what `over` names."""

    seeds: int
    models: int
    better: int
    worse: int
    gain: float
    gain_interval: tuple[float, float] | None
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    over: tuple[str, ...]


def effect(found: Sequence[Pair]) -> Effect:
    """Gain and error ratio of pairs in one context: seeds and networks of task A are crossed, and both are random.

    So is the sample of test images, where the results tell which were right. Seeds that lack a network are left out.
    """
    models = sorted({p.model for p in found})
    by_seed = {seed: {p.model: p for p in found if p.seed == seed} for seed in sorted({p.seed for p in found})}
    whole = [[row[model] for model in models] for row in by_seed.values() if len(row) == len(models)]
    table = whole or [[p] for p in found]
    scratch = np.array([[1 - p.scratch for p in row] for row in table])
    moved = np.array([[1 - p.transferred for p in row] for row in table])
    told = [p.by_image for row in table for p in row if p.by_image is not None]
    images = len(told) == scratch.size and len({len(one) for one in told}) == 1 and len(table) > 1
    more = max(float(image_covariance([np.array(told)])[0, 0]), 0.0) if images else 0.0
    gain = crossed(scratch - moved, more)
    usable = len(table) > 2 and bool(moved.mean() > 0)
    over = ("seeds", *(("networks of task A",) if len(models) > 1 else ()), *(("test images",) if images else ()))
    return Effect(
        seeds=len(by_seed),
        models=len(models),
        better=sum(p.transferred > p.scratch for p in found),
        worse=sum(p.transferred < p.scratch for p in found),
        gain=gain.mean,
        gain_interval=None if gain.low is None or gain.high is None else (gain.low, gain.high),
        ratio=float(scratch.mean() / moved.mean()) if moved.mean() > 0 else None,
        ratio_interval=fieller(scratch, moved) if usable else None,
        over=over,
    )


def transfer_answer(study: Study) -> str | None:
    """The sentence of a scratch-against-transferred study; None where nothing can be paired."""
    found = pairs(study)
    if not found or len({p.context for p in found}) > 1 or "accuracy" not in study.metric:
        return None
    e, metric = effect(found), study.metric
    low, high = e.gain_interval or (-1.0, 1.0)
    verdict = "Transfer helps" if low > 0 else "Transfer hurts" if high < 0 else "Whether transfer helps is undecided"
    if e.gain_interval is None:
        verdict = "One seed, so no conclusion"
    one, other = (float(np.mean([getattr(p, k) for p in found])) for k in ("scratch", "transferred"))
    bounds = f" [{signed(low)}, {signed(high)}]" if e.gain_interval else ""
    gain = f"{signed(e.gain)} points{bounds}"
    text = (
        f"{verdict}: {value(one, metric)} from scratch, {value(other, metric)} transferred, a paired difference "
        f"of {gain}, n={plural(e.seeds, 'seed')}{f' × {e.models} task-A models' if e.models > 1 else ''}"
        f" (interval over {listing(list(e.over))})"
    )
    if e.ratio is not None:
        bounds = f" [{e.ratio_interval[0]:.1f}, {e.ratio_interval[1]:.1f}]" if e.ratio_interval else ""
        text += f"; error ratio {e.ratio:.1f}×{bounds}"
    return f"{text}. Transferred was better in {e.better} of {plural(len(found), 'pair')}, worse in {e.worse}."


def transfer_figure(study: Study, palette: Palette) -> Figure | None:
    """Two columns of dots joined by pair, with the published pair and the replications beside them."""
    found = pairs(study)
    if not found or len({p.context for p in found}) > 1:
        return None
    metric, slug = study.metric, f"{study.name}-pairs"
    models = sorted({p.model for p in found})
    with drawing(3.9) as (figure, axes):
        _lines(axes, found, models, palette)
        _references(axes, study)
        axes.set_xticks((0, 1), ("from scratch", "transferred"))
        axes.set_xlim(-0.55, 1.55)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(unit(metric))
        percent_axis(axes.yaxis, metric)
        figure.legend(loc="outside lower center", ncols=2 if len(models) > 1 else 1)
        drawn = svg(figure, slug)
    e = effect(found)
    caption = (
        f"Each line joins one seed trained from scratch (left) with the same seed started from task A's layers (right)"
        f": {plural(len(found), 'pair')}, {plural(e.seeds, 'seed')}, {plural(len(models), 'task-A model')} "
        f"({listing(models)}). Rising lines mean that transfer helped. Stars: the published pair, one run; squares "
        "with lines: mean ± standard deviation of 89 independent replications in the notes' framework. The answer's "
        f"intervals are over {listing(list(e.over))}."
    )
    rows = tuple((p.model, p.seed, p.scratch, p.transferred) for p in found)
    columns = ("model", "seed", "scratch", "transferred")
    return Figure(slug, "Scratch against transferred", drawn, caption, columns, rows)


def _lines(axes: Any, found: Sequence[Pair], models: Sequence[str], palette: Palette) -> None:
    scratch, seeds = palette.technique("transfer", "none"), sorted({p.seed for p in found})
    for pair in found:
        style = palette.technique("transfer", "from_a" if len(models) == 1 else pair.model)
        left = 0.05 * ((seeds.index(pair.seed) % 5) - 2)
        right = 1 + 0.09 * (models.index(pair.model) - (len(models) - 1) / 2)
        label = pair.model if pair.seed == seeds[0] and len(models) > 1 else None
        axes.plot((left, right), (pair.scratch, pair.transferred), color=style.colour, alpha=0.35, linewidth=0.9)
        axes.plot(right, pair.transferred, style.marker, color=style.colour, alpha=0.85, ms=4.5, ls="", label=label)
        if pair.model == models[0]:
            axes.plot(left, pair.scratch, scratch.marker, color=scratch.colour, alpha=0.85, ms=4.5)


def _references(axes: Any, study: Study) -> None:
    if not _notes_setting(study):
        return
    axes.plot((-0.3, 1.3), PUBLISHED, linestyle=":", marker="*", ms=11, color=INK, label="published pair (one run)")
    means, spreads = zip(*REPLICATED, strict=True)
    axes.errorbar(
        (-0.42, 1.42), means, spreads, linestyle="", marker="s", ms=5, color="#808890", capsize=3,
        label="independent replications (mean ± sd, n=89)",
    )  # fmt: skip


def _notes_setting(study: Study) -> bool:
    """Whether the data are the notes' (Fashion-MNIST): elsewhere the published pair says nothing."""
    data = study.provenance.get("data") or next((t.raw.get("provenance", {}).get("data") for t in study.trials), None)
    name = str((data or {}).get("dataset", "fashion_mnist")) if isinstance(data, dict | type(None)) else str(data)
    return "fashion" in name and study.metric == "test/accuracy"
