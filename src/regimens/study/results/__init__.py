"""What a study found: the results of its trials in; tables with intervals and verdicts out.

Start with `export.py`, which writes the tables; `statistics.py` does the computing, `summary.py` prints.
"""
