"""`python -m regimens`, or the command `regimens`: what `python src/train.py` does, where there is no such script."""

import sys

from regimens.cli import main


def run() -> None:
    """Leave with the command's exit status."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
