"""One colour and one marker per technique, the same in every figure of the report.

Colours follow Okabe and Ito (2008), shifted to mid-luminance so that each has a contrast of at least 3:1 on the white
and on the dark page; markers differ too, for readers and printers without colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from regimens.report.tables import Cell, Study

COLOURS = ("#1f7fc4", "#c97a00", "#0b9271", "#c4619c", "#d5571b", "#7d6fd0", "#7f8a1f", "#808890")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "p")

# The catalogue's order, so that a colour does not depend on which studies were run.
CATALOGUE = {
    "optimizer": "sgd momentum nesterov adagrad rmsprop adam adamax nadam adamw",
    "scheduler": "constant power exp piecewise plateau exp_step onecycle cosine",
    "regularization": "none l1 l2 l1_l2 dropout alpha_dropout max_norm early_stopping",
    "clip": "none value norm global_norm",
    "norm": "none batch layer",
    "transfer": "none from_a autoencoder",
    "activation": "relu sigmoid tanh selu elu leaky_relu prelu swish gelu mish rrelu linear hard_sigmoid softsign "
    "softplus exponential thresholded_relu",
    "init": "glorot_uniform he_normal lecun_normal random_normal glorot_normal he_uniform lecun_uniform orthogonal",
}


@dataclass(frozen=True)
class Style:
    """How one technique is drawn."""

    colour: str
    marker: str


class Palette:
    """Styles of every technique that the given studies compare."""

    def __init__(self, studies: Iterable[Study]) -> None:
        seen: dict[str, set[str]] = {}
        for study in studies:
            for cell in study.cells:
                for axis, option in cell.values.items():
                    seen.setdefault(axis, set()).add(str(option))
        self._order = {axis: _ordered(axis, options) for axis, options in seen.items()}

    def index(self, axis: str, option: Any) -> int:
        """The place of `option` on `axis` (its catalogue place where it has one)."""
        order = self._order.get(axis, [])
        return order.index(str(option)) if str(option) in order else 0

    def technique(self, axis: str, option: Any) -> Style:
        """The style of one technique."""
        i = self.index(axis, option)
        return Style(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])

    def cell(self, study: Study, cell: Cell) -> Style:
        """The style of a cell: colour by the axis with most options, marker by the next (by the same if alone)."""
        axes = _by_options(study)
        if not axes:
            return Style(COLOURS[0], MARKERS[0])
        first = self.technique(axes[0], cell.values.get(axes[0]))
        second = self.technique(axes[1], cell.values.get(axes[1])) if len(axes) > 1 else first
        return Style(first.colour, second.marker)


def _by_options(study: Study) -> list[str]:
    sizes: Mapping[str, int] = {a: len({str(c.values.get(a)) for c in study.cells}) for a in study.axes}
    return sorted((a for a in study.axes if sizes[a] > 1 or len(study.axes) == 1), key=lambda a: -sizes[a])


def _ordered(axis: str, options: set[str]) -> list[str]:
    known = CATALOGUE.get(axis, "").split()
    return known + sorted(options - set(known), key=lambda o: (len(o), o) if o.isdigit() else (99, o))
