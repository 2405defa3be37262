"""Results of finished trials in; means, intervals and verdicts out, as numbers and as a table's rows.

numpy and scipy only, and of a study no more than its cells' labels. Start with `sample.py` (what a cell's finals are as
numbers), `comparisons.py` (which cells differ) and `judging.py` (all that finals say). Why each method:
docs/decisions/0013-statistics.md.
"""
