"""One regimen trained once: a composed configuration in; weights, `config.yaml` and `result.json` in a directory out.

`api.py` is the door: `run` trains one trial, `run_fleet` many of one shape together, `look_at_data` and
`metrics` tell a study what it needs to plan. A trial goes api -> task (what to train, checked) -> single or fleet
(`ranks` where it takes several devices) -> composition (configuration to objects) -> fitting -> evaluation -> record
(the result).
"""

from regimens.trial.api import look_at_data, metrics, run, run_fleet, warm_up

__all__ = ["look_at_data", "metrics", "run", "run_fleet", "warm_up"]
