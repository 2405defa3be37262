"""Measurements during training that do not change it: what acted, gradient flow, the learning-rate range test.

In: the training module's steps. Out: plain values for `result.json`. Start with `acted.py`.
"""
