"""Run every benchmark, print one table, draw it: `make bench`, or `python benchmarks/run.py --help`.

A part that fails, or a peer that cannot be installed, is reported as not run, and the rest goes on.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from shared import RESULTS, ROOT

# In the order of the table; with what makes `make bench` fit in an hour on two quiet cores.
PARTS = {
    "one_trial": [],
    "start_up": [],
    "study_race": ["--size", "55000", "--rounds", "1"],
    "study_overhead": [],
    "waiting": [],
    "fleet": [],
    "auto": ["--pairs", "3"],
    "compiling": [],
}


def lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures of one results file."""
    return [figure for figure in result.get("figures", []) if figure["values"]]


def plot(figures: list[dict[str, Any]], path: Path, title: str) -> None:
    """Each figure with its range as a share of its target; what is right of 1 misses it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    chart, axes = plt.subplots(figsize=(8, 0.24 * len(figures) + 1.2), layout="constrained")
    for place, figure in enumerate(reversed(figures)):
        shares = [v / figure["target"] for v in (*figure["values"], figure["median"])]
        shares = [1 / share for share in shares] if figure["at_least"] else shares
        axes.plot([min(shares), max(shares)], [place, place], color="0.75", lw=4)
        axes.plot(shares[-1], place, "o", color="tab:blue" if figure["met"] else "tab:red")
    axes.axvline(1, color="black", lw=1)
    axes.set_yticks(range(len(figures)), [figure["what"] for figure in reversed(figures)])
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks([0.125, 0.25, 0.5, 1, 2, 4], ["1/8", "1/4", "1/2", "1", "2", "4"])
    axes.set_xlabel("share of the target used (left of 1: met)")
    axes.set_title(title, fontsize=9)
    chart.savefig(path)


def main() -> int:
    """Run the parts, then show what their files hold; status 1 where a target is missed or a part failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    options, more = parser.parse_known_args()
    if more and len(options.parts) != 1:
        parser.error(f"{' '.join(more)}: options of a part need that part alone (--parts one_trial --cases sgd)")
    failed, figures, notes = [], [], []
    print(f"load before: {', '.join(f'{x:.1f}' for x in os.getloadavg())}", flush=True)
    for part in options.parts:
        print(f"== {part}", flush=True)
        command = [sys.executable, str(ROOT / "benchmarks" / f"{part}.py"), *(more or PARTS[part])]
        # 1: a target was missed, which the table says.
        if subprocess.run(command, check=False).returncode not in (0, 1):
            failed.append(part)
            continue
        result = json.loads((RESULTS / f"{part}.json").read_text())
        figures += lines(result)
        notes += [f"{who}: {why}" for who, why in result.get("not_run", {}).items()]
    machine = ""
    if figures:
        machine = f"{result['machine']}; load at the end {', '.join(f'{x:.1f}' for x in os.getloadavg())}"
        print(f"\n{machine}")
        for figure in figures:
            sign = ">=" if figure["at_least"] else "<="
            verdict = "met" if figure["met"] else "MISSED"
            row = f"{figure['median']:8.3f} {figure['unit']:2} {sign} {figure['target']:6.3f}  {verdict}"
            print(f"{figure['what']:48} {row}")
        if options.parts == list(PARTS):
            plot(figures, RESULTS / "all.svg", machine)
    for line in (*(f"{part}: failed" for part in failed), *notes):
        print(f"not run: {line}")
    return 1 if failed or notes or not all(figure["met"] for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
