"""Train one regimen, or study many with `-m`: `python src/train.py --help`."""

import sys

from regimens.cli import main
from regimens.core.fork import run

if __name__ == "__main__":
    sys.exit(run(main, sys.argv))
