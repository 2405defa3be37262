"""Data: obtain and verify a data set, split it, and serve it in index-batched tensors."""
