"""Learning-rate range tests: the curve of loss against learning rate, and the rate that a cell's tests propose.

What a test proposes was worked out by the trial (`regimens.training.probes.lr_range`); here it is drawn and put into
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from regimens.core.files import write_text
from regimens.core.result import Result
from regimens.report.canvas import INK, Figure, drawing, log_axis, standalone, svg
from regimens.report.dots import shorten
from regimens.report.numbers import number, plural
from regimens.report.palette import Palette, Style
from regimens.report.tables import Cell, Study, Trial, read_study


@dataclass(frozen=True)
class Proposal:
    """What the range tests of one cell say, one seed each; every number a learning rate, None where there is none."""

    label: str
    tests: tuple[Mapping[str, Any], ...]

    def median(self, name: str) -> float | None:
        """The median of `proposed`, `turning` or `blow_up` over the tests that have one."""
        seen = [v for test in self.tests if (v := number(test.get(name))) is not None]
        return median(seen) if seen else None

    @property
    def sentence(self) -> str:
        """What to set, and why, in one line."""
        proposed, turning = self.median("proposed"), self.median("turning")
        name = f"{self.label}: " if self.label else ""
        curve = self.tests[0]["lr"]
        if proposed is None:
            return f"{name}the loss never fell between {plain(curve[0])} and {plain(curve[-1])}: no rate to propose"
        seen = [v for test in self.tests if (v := number(test.get("proposed"))) is not None]
        seeds = f"; {plural(len(seen), 'seed')}: {plain(min(seen))} to {plain(max(seen))}" if len(seen) > 1 else ""
        why = f"a tenth of {plain(turning)}, where the loss shoots back up" if turning else "it never shot back up"
        return f"{name}try optimizer.lr={plain(proposed)} ({why}{seeds})"


def plain(x: float | None) -> str:
    """Two significant digits without an exponent: `0.00047`."""
    import numpy as np

    return "–" if x is None else np.format_float_positional(float(f"{x:.2g}"), trim="-")


def proposals(study: Study) -> list[tuple[Cell, Proposal]]:
    """The cells that hold range tests, in the study's order."""
    found = []
    for cell in study.cells:
        tests = tuple(test for t in cell.finals if (test := t.raw.get("lr_range")) and test.get("lr"))
        if tests:
            found.append((cell, Proposal(cell.label if len(study.cells) > 1 else "", tests)))
    return found


def range_answer(study: Study) -> str | None:
    """One sentence a cell; None where the study holds no range test."""
    found = [proposal.sentence for _, proposal in proposals(study)]
    return ". ".join(found) + "." if found else None


def range_figure(study: Study, palette: Palette) -> Figure | None:
    """Loss against learning rate: a thin line for each seed, a thick one for their mean, the proposal marked."""
    found = proposals(study)
    if not found:
        return None
    slug, rows = f"{study.name}-range", []
    with drawing(3.6) as (figure, axes):
        for cell, proposal in found:
            _curves(axes, palette.cell(study, cell), proposal)
            for seed, test in enumerate(proposal.tests):
                triples = zip(test["lr"], test["loss"], test["smoothed"], strict=True)
                rows += [(cell.label, seed, *three) for three in triples]
        log_axis(axes.xaxis)
        top = max(test["smoothed"][0] for _, proposal in found for test in proposal.tests)
        low = min(min(test["smoothed"]) for _, proposal in found for test in proposal.tests)
        axes.set_ylim(low - 0.1 * (top - low), top + 0.25 * (top - low))
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss")
        figure.legend(loc="outside lower center", ncols=2)
        drawn = svg(figure, slug)
    counts = sorted({len(proposal.tests) for _, proposal in found})
    n = f"n={counts[0]}" if len(counts) == 1 else f"n={counts[0]} to {counts[-1]}"
    caption = (
        f"One short run a seed ({n} per cell) whose learning rate grows at every step: thin lines are the loss of "
        "mini-batches averaged over a quarter of a factor of ten, the thick line their mean. The dot is where the loss "
        "has climbed half of its fall back; the dashed line, a tenth of that rate, is the proposal."
    )
    columns = ("cell", "test", "lr", "loss", "smoothed")
    return Figure(slug, "Learning-rate range test", drawn, caption, columns, tuple(rows))


def _curves(axes: Any, style: Style, proposal: Proposal) -> None:
    for test in proposal.tests:
        axes.plot(test["lr"], test["smoothed"], color=style.colour, linewidth=0.7, alpha=0.45)
    length = min(len(test["lr"]) for test in proposal.tests)
    mean = [sum(column) / len(column) for column in zip(*(t["smoothed"][:length] for t in proposal.tests), strict=True)]
    proposed, turning = proposal.median("proposed"), proposal.median("turning")
    name = shorten(proposal.label or "loss", 22)
    label = f"{name}: {plain(proposed)}" if proposed else f"{name}: none"
    lr = proposal.tests[0]["lr"][:length]
    axes.plot(lr, mean, color=style.colour, linewidth=2, label=label)
    if proposed:
        axes.axvline(proposed, color=style.colour, linestyle="--", linewidth=1.2)
    if turning:
        nearest = min(range(length), key=lambda i: abs(lr[i] - turning))
        axes.plot(lr[nearest], mean[nearest], "o", ms=6, color=style.colour, markeredgecolor=INK, mew=0.6)


def of_table(table: Path) -> tuple[list[str], Path | None]:
    """The sentences of a study's table, and its figure beside it; nothing where it holds no range test."""
    return _written(read_study(table), table.with_suffix(".svg"))


def of_run(result: Result, directory: Path) -> tuple[list[str], Path | None]:
    """The same for one run in its directory."""
    trial = Trial(result.seed, result.status, "final", {}, {"lr_range": result.lr_range})
    study = Study("lr-range", cells=(Cell("", {}, {}, (trial,)),))
    return _written(study, directory / "lr_range.svg")


def _written(study: Study, path: Path) -> tuple[list[str], Path | None]:
    drawn = range_figure(study, Palette([study]))
    if drawn is None:
        return [], None
    sentences = [proposal.sentence for _, proposal in proposals(study)]
    return [*sentences, f"drawn in {path}"], write_text(standalone(drawn.svg), path)
