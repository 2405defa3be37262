"""Faster engines: steps compiled in blocks, or many trials of one shape trained together (a fleet).

Start with `compiled.py` and `fleet.py`; both take the functional step of `training/functional.py`. `stacked`, `launch`
and `coefficients` serve the fleet, `inductor`, `trace_cache`, `graph_rewrites` and `inplace` torch's compiler.
"""
