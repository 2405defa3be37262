"""What a section's numbers rest on: cells, budget, seeds, training images, epochs, and how intervals are made."""

from __future__ import annotations

from collections.abc import Mapping

from regimens.report.numbers import number, plural, span
from regimens.report.tables import Study

HOW = (
    "Intervals of the mean are 95%, by bootstrap over seeds (with few seeds rather too narrow than too wide); "
    "comparisons are paired by seed and Holm-corrected; the best cell is picked from the same finals."
)


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
    if about.get("reference"):
        parts.append(f"“default” is {about['reference']}")
    parts.append(f"selected by {about.get('metric', 'val/accuracy')}, quoted: {study.metric} of the finals")
    return "; ".join(parts) + ". " + HOW


def training(study: Study) -> str:
    """`trained on 10,000 images for 5 epochs`; empty where the finals do not say."""
    finals = [t for c in study.cells for t in c.finals]
    images = {int(n) for t in finals if (n := number(_sizes(t.raw).get("train")))}
    epochs = {int(n) for t in finals if (n := number((t.raw.get("regimen") or {}).get("epochs")))}
    told = f"trained on {span(images)} examples" if images else ""
    return f"{told} for {span(epochs)} epochs" if told and epochs else told


def _sizes(raw: Mapping[str, object]) -> Mapping[str, object]:
    source = raw.get("provenance")
    data = source.get("data") if isinstance(source, Mapping) else None
    sizes = data.get("sizes") if isinstance(data, Mapping) else None
    return sizes if isinstance(sizes, Mapping) else {}
