"""Figures: matplotlib in, theme-following SVG text out, byte-identical from the same numbers.

Text, axes, grid and links are drawn in stand-in colours that become CSS (`currentColor`, `var(--grid)`), so that one
drawing serves the light and the dark page. Width is a phone's: nothing needs zooming at 375 px.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regimens.core.shares import is_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

INK, GRID, PAPER, LINK = "#010203", "#040506", "#070809", "#0a0b0c"
WIDTH = 5.9  # inches; 425 CSS px
FEW_DECADES = 1000  # the ratio of the ends up to which an axis has marks between the powers of ten
SECTION = "#section:"  # before the name of a section of the page that a part of a drawing links

RC: dict[str, Any] = {
    "svg.hashsalt": "regimens",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True)
class Figure:
    """One finished figure: the drawing, what it shows, how to read it, and the numbers behind it."""

    slug: str
    title: str
    svg: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    command: str = ""

    @property
    def csv(self) -> str:
        """The drawn numbers as CSV text."""
        return csv_text(self.columns, self.rows)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """`rows` under `columns` as CSV with full float precision; None is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


@contextmanager
def drawing(height: float, rows: int = 1, columns: int = 1, **options: Any) -> Iterator[tuple[Drawing, Any]]:
    """A figure of the report's width and `height` inches, and its axes (an array where there are several)."""
    import matplotlib
    from matplotlib.figure import Figure as Drawing_

    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **RC, "backend": "svg"}
    with matplotlib.rc_context(settings):
        figure = Drawing_(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.subplots(rows, columns, **options)


def svg(figure: Drawing, slug: str) -> str:
    """`figure` as an SVG element without dates, with ids of its own and colours that follow the page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{slug}-', text)
    text = re.sub(r'(xlink:)?href="#', f'href="#{slug}-', text)
    text = text.replace(f'href="#{slug}-{SECTION[1:]}', 'href="#')
    text = text.replace("url(#", f"url(#{slug}-")
    role = "group" if SECTION in out.getvalue() else "img"  # what is inside an img is hidden from screen readers
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)width="[^"]*"', rf'\1role="{role}"', text, count=1)
    for stand_in, css in ((INK, "currentColor"), (GRID, "var(--grid)"), (PAPER, "var(--paper)"), (LINK, "var(--link)")):
        text = text.replace(stand_in, css)
    return "\n".join(line.rstrip() for line in text.splitlines())


def standalone(svg_text: str) -> str:
    """The same drawing as a file of its own, which brings its two themes along."""
    style = (
        "<style>svg{color:#1c2126;background:#fff;--grid:#e3e6ea;--paper:#fff;--link:#0b5cad}"
        "@media (prefers-color-scheme:dark){svg{color:#e6e9ec;background:#14181c;--grid:#30373e;"
        "--paper:#14181c;--link:#6cb2f5}}"
        "</style>"
    )
    head, body = svg_text.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{style}{body}\n'


def percent_axis(axis: Any, metric: str) -> None:
    """Show a share's axis in percent, and leave others alone."""
    from matplotlib.ticker import FuncFormatter

    if is_share(metric):
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g}"))


def log_axis(axis: Any) -> None:
    """Make an axis logarithmic whose range is known, with plain numbers, as people write learning rates: 0.02, 1e-05.

    Powers of ten as mathematics take a fifth of a report's time to set. Across few decades 2 and 5 are marked as well.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    if high <= low * FEW_DECADES:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def unit(metric: str) -> str:
    """An axis label with its unit: `test accuracy (%)`."""
    return metric.replace("/", " ") + (" (%)" if is_share(metric) else "")
