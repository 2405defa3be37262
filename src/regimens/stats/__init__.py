"""Samples of finished trials in; means, intervals and verdicts out.

numpy and scipy only: no study, no result file, no table. Start with `sample.py` (what a cell's finals are as numbers)
and `comparisons.py` (which cells differ). Why each method: docs/decisions/0009-statistics.md.
"""
