"""What a section's numbers rest on: cells, budget, seeds, training images, epochs, and how intervals are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.report.numbers import number, plural, span
from regimens.report.tables import Study

INTERVALS = "Intervals of the mean are 95%, by bootstrap over seeds (with few seeds rather too narrow than too wide)"
COMPARISONS = "comparisons are paired by seed and Holm-corrected; the best cell is picked from the same finals"


def evidence(study: Study) -> str:
    """The small print under an answer."""
    about, tuned = study.about, study.about.get("tuned")
    named = ", ".join(str(t) for t in tuned) if isinstance(tuned, list | Mapping) else tuned
    parts = [f"Compared: {', '.join(study.axes) or 'one regimen'} ({plural(len(study.cells), 'cell')})"]
    parts.append(f"tuned: {named}" if tuned else "nothing tuned")
    if tuned and (each := number(about.get("budget"))):
        parts.append(f"{plural(int(each), 'tuning trial')} per cell ({about.get('sampler') or 'one sampler'})")
    if seeds := number(about.get("seeds")):
        parts.append(f"{plural(int(seeds), 'seed')} per cell")
    if trained := training(study):
        parts.append(trained)
    if about.get("reference") and study.judged:
        parts.append(f"“default” is {about['reference']}")
    selected = f"selected by {about.get('metric', 'val/accuracy')}, " if study.judged else ""
    parts.append(f"{selected}quoted: {study.metric} of the finals")
    return "; ".join(parts) + f". {INTERVALS}{f'; {COMPARISONS}' if study.judged else ''}."


def training(study: Study) -> str:
    """`trained on 10,000 images for 5 epochs` (range tests count steps); empty where the finals do not say."""
    trained = [t.raw for c in study.cells for t in c.finals if not t.raw.get("lr_range")]
    epochs = {int(n) for raw in trained if (n := number(_part(raw, "regimen").get("epochs")))}
    told = images(study)
    return f"{told} for {span(epochs)} epochs" if told and epochs else told


def images(study: Study) -> str:
    """`trained on 10,000 examples`; empty where the finals do not say."""
    finals = [t for c in study.cells for t in c.finals]
    found = {int(n) for t in finals if (n := number(_part(t.raw, "provenance", "data", "sizes").get("train")))}
    return f"trained on {span(found)} examples" if found else ""


def _part(raw: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for key in path:
        inner = raw.get(key)
        raw = inner if isinstance(inner, Mapping) else {}
    return raw
