"""Ask many times whether a technique differs from itself: how often do studies call two equal cells different?

Each study has the same technique under two names, tuned and trained independently (conf/study/same.yaml), with seeds of
its own. Right studies call them different 5 times in 100 at most. Writes a table for docs/reference/calibration.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIFFERENT = ("better", "worse")


def main() -> int:
    """Return 0 where at most three of forty (the same share of another number) were called different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="studies at once")
    parser.add_argument(
        "--into", type=Path, default=ROOT / "build" / "same", help="directory of their trials and tables"
    )
    parser.add_argument("overrides", nargs="*", help="of every study, such as epochs=2")
    args = parser.parse_args()
    with ThreadPoolExecutor(args.workers) as pool:
        rows = list(pool.map(lambda number: ask(number, args.into, args.overrides), range(args.studies)))
    print("\n".join(lines(rows)))
    return 0 if sum(row["verdict"] in DIFFERENT for row in rows) <= 3 * len(rows) / 40 else 1


def ask(number: int, into: Path, overrides: list[str]) -> dict[str, Any]:
    """Run one study, whose two cells start from seeds of their own; its verdict on the worse of the two."""
    one, other = 2 * number + 1, 2 * number + 2
    compared = f"study.compared={{name:{{one:['seed={one}'],other:['seed={other}']}}}}"
    name = f"study.name=same-{number}"
    command = [sys.executable, str(ROOT / "src" / "train.py"), "-m", "study=same", "tracking=none", compared, name]
    environment = {**os.environ, "REGIMENS_ROOT": str(into)}
    subprocess.run([*command, *overrides], check=True, env=environment, stdout=subprocess.DEVNULL)
    return row(number, json.loads((into / "results" / f"same-{number}.json").read_text()))


def row(number: int, table: dict[str, Any]) -> dict[str, Any]:
    """What a study's table says of its two cells."""
    (judged,) = [cell["vs_best"] for cell in table["cells"] if cell["vs_best"]]
    means = [cell["mean"] for cell in table["cells"]]
    interval = {"low": judged["ci_low"], "high": judged["ci_high"]}
    return {
        "study": number,
        "means": means,
        "n": judged["n"],
        "diff": judged["diff"],
        **interval,
        "verdict": judged["verdict"],
    }


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """The table as Markdown, and the count beneath it."""
    out = ["| study | one, other | n | difference | 95% interval | verdict |", "| --- | --- | --- | --- | --- | --- |"]
    for one in rows:
        means, n = " ".join(f"{mean:.4f}" for mean in one["means"]), " and ".join(map(str, one["n"]))
        interval = "" if one["low"] is None else f"{one['low']:+.4f} to {one['high']:+.4f}"
        out.append(f"| {one['study']} | {means} | {n} | {one['diff']:+.4f} | {interval} | {one['verdict']} |")
    count = {
        word: sum(one["verdict"] == word for one in rows) for word in dict.fromkeys(one["verdict"] for one in rows)
    }
    told = ", ".join(f"{word} {number}" for word, number in sorted(count.items()))
    different = sum(one["verdict"] in DIFFERENT for one in rows)
    return [*out, "", f"{different} of {len(rows)} studies call the technique different from itself ({told})."]


if __name__ == "__main__":
    sys.exit(main())
