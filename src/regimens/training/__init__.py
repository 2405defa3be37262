"""Training: the LightningModule and the parts that act on each step. Takes plain values, tensors and callables."""
