"""What is looked at while a network trains, without changing it: what acted, gradient flow, the range test.

In: the training module's steps. Out: plain values for `result.json`. Start with `acted.py`.
"""
