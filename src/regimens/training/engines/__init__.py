"""How training steps run faster than one by one: compiled in blocks, or many trials as one batched network.

Start with `compiled.py` and `fleet.py`; both take the functional step of `training/functional.py`. `stacked`, `launch`
and `coefficients` serve the fleet, `inductor`, `trace_cache`, `graph_rewrites` and `inplace` torch's compiler.
"""
