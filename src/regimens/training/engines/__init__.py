"""Faster engines: steps compiled to C++, or many trials of one shape trained together (a fleet).

Start with `compiled.py` and `fleet.py`; both take the functional step of `training/functional.py`. `pieces`,
`all_updates` and `flat` serve the compiled engine, `apart`, `stacked` and `launch` the fleet, `coefficients` both;
`inductor`, `trace_cache`, `graph_rewrites` and `inplace` torch's compiler.
"""
