"""A study in, its section of the report out: answer, evidence, flags, figures, tables."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from regimens.report import (
    ablation,
    answers,
    curves,
    differences,
    dots,
    gradients,
    heatmap,
    lr_range,
    parity,
    ranks,
    responses,
    stars,
    targets,
    techniques,
    transfer,
    zeros,
)
from regimens.report.canvas import Figure
from regimens.report.cells import Table, cell_table, did_table
from regimens.report.evidence import evidence, network, strength
from regimens.report.headlines import headline, shortened
from regimens.report.palette import Palette
from regimens.report.tables import BROKEN, Study

# The chapter's order; studies that it does not name follow by name.
ORDER = [
    "depth", "initializers", "normalization", "clipping", "transfer_ab", "transfer_pairs", "transfer",
    "transfer_cnn",
    "optimizers", "batch_size_lr", "lr_range", "schedules", "regularizers", "l1_zeros", "recipes", "full", "parity",
]  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One question of the report."""

    id: str
    title: str
    answer: str
    headline: str = ""
    evidence: str = ""
    flags: tuple[tuple[str, str, str], ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    command: str = ""
    strength: tuple[int, int] = (0, 0)  # see evidence.strength
    network: str = ""  # see evidence.network
    notes: tuple[str, ...] = field(default_factory=tuple)


def order(studies: Sequence[Study]) -> list[Study]:
    """Studies in the chapter's order."""
    return sorted(studies, key=lambda s: (ORDER.index(s.name) if s.name in ORDER else len(ORDER), s.name))


def section(study: Study, palette: Palette, settings: Mapping[str, str]) -> Section:
    """The section of one study; a study without results gets one that says so."""
    command = _command(study, settings)
    if study.problem:
        return Section(
            study.name,
            study.question,
            answers.answer(study),
            headline(study),
            flags=_flags(study),
            command=command,
        )
    written = "src/report.py parity" if study.name == "parity" else "src/report.py"
    figures = [replace(f, command=f"{command} && python {written}") for f in _figures(study, palette) if f]
    return Section(
        id=study.name,
        title=study.question,
        answer=_answer(study),
        headline=_headline(study),
        evidence=evidence(study, parity.quoted(study) if study.name == "parity" else ""),
        flags=_flags(study),
        figures=tuple(figures),
        tables=tuple(_tables(study)),
        command=command,
        strength=strength(study),
        network=network(study),
    )


def _command(study: Study, settings: Mapping[str, str]) -> str:
    """What was typed to run the study; where its table is too old to say, its name with these settings."""
    asked = study.about.get("asked") or [f"study={study.name}", *(f"{k}={v}" for k, v in settings.items())]
    return shlex.join(["python", "src/train.py", "-m", *map(str, asked)])


def _headline(study: Study) -> str:
    """The first screen's sentence: that of cells that compete, or the first clause of a special answer."""
    special = _special(study)
    return shortened(special) if special else headline(study)


def said(study: Study) -> str:
    """What a study found: the sentences of its kind, or who leads and how surely."""
    return _special(study) or answers.answer(study)


def _answer(study: Study) -> str:
    if special := _special(study):
        return special
    more = techniques.gap_sentence(study) if not study.problem else None
    return f"{answers.answer(study)} {more}" if more else answers.answer(study)


def _special(study: Study) -> str | None:
    """The answer of a study that is of a kind of its own; None of one whose cells compete."""
    if study.name == "parity":
        return parity.parity_answer(study)
    if proposed := lr_range.range_answer(study):
        return proposed
    special = ablation.path_answer(study) or ranks.ranks_answer(study)
    if special:
        return special + answers.caveats(study)
    if transfer.is_transfer(study):
        special = transfer.transfer_answer(study) or heatmap.pair_answer(study)
    else:
        special = gradients.depth_answer(study) or zeros.zeros_answer(study)
    return special + answers.caveats(study) if special else None


def _figures(study: Study, palette: Palette) -> list[Figure | None]:
    if study.name == "parity":
        return [parity.parity_figure(study)]
    if drawn := lr_range.range_figure(study, palette):
        return [drawn]
    first: list[Figure | None] = []
    if transfer.is_transfer(study):
        if by_pair := heatmap.pair_map(study):
            return [by_pair]
        first = [transfer.transfer_figure(study, palette)]
    return [
        *first,
        ablation.path_figure(study),
        ranks.critical_difference(study),
        ablation.importance(study),
        gradients.gradient_flow(study, palette),
        techniques.lr_curves(study, palette),
        differences.differences(study),
        responses.responses(study, palette),
        dots.finals_dots(study, palette),
        None if first else heatmap.grid_map(study),
        dots.number_line(study),
        techniques.overfitting(study, palette),
        zeros.zeros_figure(study, palette),
        techniques.head_to_head(study, palette),
        curves.learning_curves(study, palette),
        curves.best_of_n(study, palette),
    ]


def _flags(study: Study) -> tuple[tuple[str, str, str], ...]:
    found = [(cell.label, kind, text) for cell in study.cells for kind, text in answers.flags(cell)]
    if not study.cells:
        bad = [t for t in study.trials if t.status in BROKEN | {"diverged"}]
        found += [(str(t.raw.get("name", study.name)), t.status, _error(t.raw)) for t in bad[:20]]
    return tuple(found)


def _error(raw: Mapping[str, Any]) -> str:
    error = raw.get("error") or {}
    return str(error.get("message") or "no message").splitlines()[0] if isinstance(error, Mapping) else str(error)


def _tables(study: Study) -> list[Table]:
    if study.name == "parity":
        return [parity.parity_table(study), parity.every_number_table(study)]
    timed = stars.stars_table(study) or targets.target_table(study)
    return [table for table in (ranks.ranks_table(study), cell_table(study), did_table(study), timed) if table]
