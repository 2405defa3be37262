"""Train one regimen, or study many with `-m`: `python src/train.py --help`."""

import sys

from regimens.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
