"""Training one network: the LightningModule and the techniques that act on each step; plain values and tensors in.

Start with `module.py`. `functional.py` is one step as a pure function, `updates.py` and `optimizers.py` the optimisers,
`schedules.py`, `clipping.py`, `regularization.py` and `transfer.py` the other techniques; `engine.py` is the
interface of what runs the steps, `engines/` holds the faster engines, `probes/` what is measured during training.
"""
