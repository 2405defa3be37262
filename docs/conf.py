"""How Sphinx makes a site of these pages (`make docs`). Nothing is fetched, neither to build it nor to read it."""

import re
from pathlib import Path
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser

project = "Regimens"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown", ".py": "percent"}
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = project
html_show_copyright = False
html_copy_source = False
myst_heading_anchors = 4
# Docstrings have code in single backticks, as Markdown has.
default_role = "code"
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# The one drawing is Mermaid's, which a browser can only draw with a script from the network: its text is shown.
suppress_warnings = ["misc.highlighting_failure"]


def as_markdown(text: str) -> str:
    """A notebook as text (jupytext's py:percent) as Markdown: its comments as they are, its code in fences."""
    cells = []
    for cell in text.split("\n# %%")[1:]:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            cells.append("\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()))
        else:
            cells.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(cells)


class PercentParser(MystParser):
    """Reads a notebook that is kept as text."""

    supported = ("percent",)

    def parse(self, inputstring: str, document: Any) -> None:
        """Parse what Markdown it is."""
        super().parse(as_markdown(inputstring), document)


def as_restructured(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape, in a docstring, what is plain text there and markup to Sphinx; what stands in backticks is left alone."""
    parts = re.split("(`[^`]*`)", "\n".join(lines))
    parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    # What follows a closing backtick at once, as in `_target_`s, is text again.
    parts[2::2] = [rf"\ {part}" if re.match(r"\w", part) else part for part in parts[2::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app: Any) -> None:
    """Make the parser known, and the docstrings' own form."""
    app.add_source_parser(PercentParser)
    app.connect("autodoc-process-docstring", as_restructured, priority=100)
    app.add_css_file("wide.css")


html_static_path = [str(Path(__file__).parent / "_static")]
