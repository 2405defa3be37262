"""Print the configuration reference: `python tools/reference.py > docs/reference/configuration.md`."""

import sys
from pathlib import Path

from regimens.catalogue import about, groups

CONF = Path(__file__).resolve().parent.parent / "conf"
TITLE = """\
# Configuration

Generated from `conf/` by `python tools/reference.py`; edit there. Choose an option with `group=option`, a number with
`group.key=value`: `python src/train.py optimizer=nadam optimizer.lr=0.002`. A study searches in the range `tune`.
"""
QUESTIONS = ("study", "experiment")


def reference(conf: Path) -> str:
    """The page: the top-level keys, then each group with its options and what their files hold."""
    names = groups(conf)
    lines = [TITLE, " · ".join(f"[{name}](#{name})" for name in ("keys", *names)), "", "## keys", ""]
    text = (conf / "train.yaml").read_text()
    lines += ["Where a run goes, how long it trains, what is looked at; and the defaults list:", "", "```yaml"]
    lines += [text.split("\nhydra:")[0].rstrip(), "```", ""]
    for group in names:
        lines += [f"## {group}", ""]
        for path in sorted((conf / group).glob("*.yaml")):
            lines += question(path) if group in QUESTIONS and path.stem != "adhoc" else option(path, group)
    return "\n".join(lines).rstrip() + "\n"


def option(path: Path, group: str) -> list[str]:
    """One option: its description, and its file without it."""
    body = [line for line in path.read_text().splitlines() if line.lstrip("# ").rstrip() != about(path)]
    return [f"### {group}={path.stem}", "", about(path), "", "```yaml", *body, "```", ""]


def question(path: Path) -> list[str]:
    """One study or experiment: what it asks; `python src/train.py --list` shows the rest of its header."""
    return [f"- `{path.parent.name}={path.stem}`: {about(path)}", ""]


if __name__ == "__main__":
    sys.stdout.write(reference(CONF))
