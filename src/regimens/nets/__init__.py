"""Networks and their parts: plain numbers and callables in, an initialised `torch.nn.Module` out.

Start with `mlp.py`; `initializers`, `activations`, `norm` and `dropout` are what it is built from where torch's own has
other numbers, `fuse` and `monte_carlo` change how a trained one predicts.
"""
