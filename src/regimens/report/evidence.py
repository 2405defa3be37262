"""What a section's numbers rest on: cells, budget, seeds, training images, epochs, and how intervals are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regimens.report.numbers import half_width, number, plural, span
from regimens.report.tables import Study
from regimens.report.verdicts import margin

RANDOM = {"seed": "seeds", "repeat": "repetitions of the tuning", "fold": "splits of the data", "image": "test images"}
MLP = "regimens.nets.mlp.MLP"
TOLD = ("completed", "diverged")  # of a final that says something of its cell
MANY_LAYERS = 6  # more are counted, not listed


def evidence(study: Study, quoted: str = "") -> str:
    """The small print under an answer; `quoted`: what is, where no cells compete for the finals' metric."""
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
    if layers := network(study):
        parts.append(layers)
    parts += other_code(study)
    if quoted:
        return "; ".join([*parts, f"quoted: {quoted}"]) + "."
    if about.get("reference") and study.judged:
        parts.append(f"“default” is {about['reference']}")
    selected = f"selected by {about.get('metric', 'val/accuracy')}, " if study.judged else ""
    parts.append(f"{selected}quoted: {study.metric} of the finals")
    return "; ".join(parts) + f". {intervals(study)}{comparisons(study)}"


def other_code(study: Study) -> list[str]:
    """How many trials were taken over from other code than the study's own, by revision; none where all are its own."""
    told = study.about.get("other_code")
    counts = told.items() if isinstance(told, Mapping) else ()
    return [f"{plural(int(n), 'trial')} by other code (revision {name}), taken over as asked" for name, n in counts]


def intervals(study: Study) -> str:
    """What the intervals of means are, and what they count as random."""
    over = list(dict.fromkeys(str(one) for cell in study.cells for one in cell.row.get("over") or ()))
    told = " and ".join(RANDOM.get(one, one) for one in over) or "seeds"
    images = number(study.about.get("images"))
    told += f" (crossed, {int(images):,})" if images else ", the test images taken as given"
    return f"Intervals of means are Student's, 95%, over {told}."


def comparisons(study: Study) -> str:
    """What a verdict rests on: the intervals of differences, the margin, and the difference that would be found."""
    if not study.judged or len(study.ranked) < 2:
        return ""
    looks = number(study.about.get("looks")) or 1
    text = (
        " Differences have Welch intervals that hold for all cells at once with 95%, the picking of the best included"
    )
    text += f", and for {plural(int(looks), 'look')} at the finals" if looks > 1 else ""
    text += f"; equal means: inside ± {margin(study)}" if margin(study) else ""
    least = number(study.about.get("detectable"))
    if least is not None:
        metric = study.metric
        spread = half_width(number(study.about.get("pooled_sd")) or 0.0, metric)
        text += (
            f"; a difference from the best of {half_width(least, metric)} would be found in four of five such studies"
        )
        text += f" (the median of the comparisons; pooled deviation of a final {spread})"
    return f"{text}."


def training(study: Study) -> str:
    """`trained on 10,000 images for 5 epochs` (range tests count steps); empty where the finals do not say."""
    trained = [t.raw for c in study.cells for t in c.finals if not t.raw.get("lr_range")]
    epochs = {int(n) for raw in trained if (n := number(_part(raw, "regimen").get("epochs")))}
    told = images(study)
    return f"{told} for {span(epochs)} epochs" if told and epochs else told


def network(study: Study) -> str:
    """`hidden layers of 300 and 100 units`, where all finals have the same dense layers; else empty."""
    finals = [t.raw for c in study.cells for t in c.finals]
    widths = {tuple(_part(raw, "regimen", "model").get("hidden") or ()) for raw in finals}
    dense = all(_part(raw, "regimen", "model").get("_target_") == MLP for raw in finals)
    cut = any(_part(raw, "regimen", "transfer").get("top") == "drop" for raw in finals)
    if not dense or cut or len(widths) != 1 or not (units := widths.pop()):
        return ""
    if len(units) > MANY_LAYERS:
        return f"{len(units)} hidden layers of {span(set(units))} units"
    listed = " and ".join(", ".join(map(str, units)).rsplit(", ", 1))
    return f"{'hidden layers' if len(units) > 1 else 'a hidden layer'} of {listed} units"


def images(study: Study) -> str:
    """`trained on 10,000 examples`; empty where the finals do not say."""
    found = _examples(study)
    return f"trained on {span(found)} examples" if found else ""


def strength(study: Study) -> tuple[int, int]:
    """Training examples, and how many examples the finals of a cell were tested on, of the cell with the fewest.

    Of two runs of a question, the more the better. A final that diverged says as much as another.
    """
    images = int(number(study.about.get("images")) or 1)
    told = [sum(t.phase == "final" and t.status in TOLD for t in cell.trials) for cell in study.cells]
    return max(_examples(study), default=0), images * min(told, default=0)


def _examples(study: Study) -> set[int]:
    finals = [t for c in study.cells for t in c.finals]
    return {int(n) for t in finals if (n := number(_part(t.raw, "provenance", "data", "sizes").get("train")))}


def _part(raw: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for key in path:
        inner = raw.get(key)
        raw = inner if isinstance(inner, Mapping) else {}
    return raw
