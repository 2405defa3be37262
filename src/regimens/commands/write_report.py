"""Write the report: results/*.json in, reports/ out; `report.py parity` compares with published numbers."""

import argparse
import sys
from pathlib import Path

from regimens.core.errors import UserError
from regimens.report.build import build_parity, build_report


def main() -> int:
    """Return the exit status: 0, or 2 for the user's mistakes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("report", "parity"), default="report", help="which report to write")
    parser.add_argument("--results", type=Path, default=None, help="directory of tables (parity: one table)")
    parser.add_argument("--out", type=Path, default=None, help="where to write (reports; for parity, reports/parity)")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="settings to show")
    parser.add_argument("--declared", type=Path, default=Path("conf/study"), help="the studies that could be run")
    parser.add_argument("--keep", action="store_true", help="keep the tables in OUT/tables, and show them ever after")
    args = parser.parse_args()
    try:
        if args.what == "parity":
            written = build_parity(args.results or Path("results/parity.json"), args.out or Path("reports/parity"))
        else:
            results, out = args.results or Path("results"), args.out or Path("reports")
            written = build_report(results, out, args.params, args.declared, keep=args.keep)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(written[0])
    return 0
