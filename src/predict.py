"""Predict with a trained network: `python src/predict.py runs/<name> my.npz --out predictions.csv`."""

import argparse
import sys
from pathlib import Path

from regimens.core.errors import UserError


def main() -> int:
    """Return the exit status: 0, or 2 for the user's mistakes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's directory, or its MLflow run id")
    parser.add_argument("data", type=Path, help="inputs: a table (.csv, .tsv, .parquet), an .npz, or pictures")
    parser.add_argument("--out", type=Path, default=Path("predictions.csv"), help="default: predictions.csv")
    parser.add_argument("--weights", choices=("final", "best"), default="final", help="best: at the lowest val/loss")
    parser.add_argument("--key", default="X", help="the array of an .npz (default: X)")
    parser.add_argument("--plugins", nargs="+", metavar="PACKAGE", help="packages that the run may import from")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where a run id is looked for (default: runs)")
    args = parser.parse_args()
    from regimens.inference import predict
    from regimens.tracking.delivery import find_run

    try:
        model = predict.load(find_run(args.run, args.runs), args.weights, plugins=args.plugins)
        raw = predict.read_inputs(args.data, model, args.key)
        predict.write(model.answers(raw.x), args.out, raw.files)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for sentence in (*raw.warnings, *model.warnings(raw.x)):
        print(f"warning: {sentence}", file=sys.stderr)
    print(f"{args.out}: {len(raw.x)} predictions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
