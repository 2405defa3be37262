"""How much each searched value matters: Optuna's PED-ANOVA over the trials of a joint search."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from regimens.core.result import Result
from regimens.study.definition.joint_search import Compose, space_of
from regimens.study.definition.samplers import make_sampler
from regimens.study.definition.study import Cell, Study

LEAST = 10  # trials: its quantiles of fewer say nothing


def importances(study: Study, cell: Cell, results: Sequence[Result], compose: Compose) -> dict[str, float]:
    """Axis or path -> its share of what the best tenth of the trials have in common, largest first, 1 in sum.

    Watanabe, Bansal & Hutter 2023, "PED-ANOVA". A value that only one option brings (`optimizer.lr[nadam]`) counts the
    trials that had this option. Empty with fewer than 10 completed trials.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    sign = 1 if study.maximize else -1
    held = optuna.create_study(direction="maximize", sampler=make_sampler("random", 0))
    for result in results:
        value = result.metrics.get(study.metric) if result.status == "completed" else None
        space = space_of(cell, dict((result.study or {}).get("params") or {}), study.tuned, compose)
        if value is None or not space:
            continue
        held.add_trial(
            optuna.trial.create_trial(
                params={name: one for name, (one, _) in space.items()},
                distributions={name: known.distribution() for name, (_, known) in space.items()},
                value=sign * float(value),
            )
        )
    if len(held.trials) < LEAST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental
        return get_param_importances(held, evaluator=PedAnovaImportanceEvaluator())
