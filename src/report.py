"""Write the report: results/*.json in, reports/ out; `report.py parity` compares with published numbers."""

import sys

from regimens.commands.write_report import main

if __name__ == "__main__":
    sys.exit(main())
