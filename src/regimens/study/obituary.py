"""The result of a trial that could not write its own: pruned, failed, out of memory or time, or dead."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from regimens import trial
from regimens.result import Result, write
from regimens.study.claim import Claim
from regimens.study.compose import Composer
from regimens.study.definition import Study


def write_end(study: Study, composer: Composer, claim: Claim, status: str, error: dict[str, str] | None) -> Result:
    """Write the result of a claimed trial on its behalf."""
    composed = claim.compose(composer)
    regimen = composed.regimen
    result = Result(
        status=status,
        name=str(composed.cfg.get("name") or claim.cell.label),
        seed=claim.seed,
        regimen=regimen,
        regimen_hash=trial.digest(regimen),
        choices=dict(composed.choices),
        study=claim.about(study),
        provenance=_origin(),
        error=error,
    )
    write(result, claim.directory)
    return result


def _origin() -> dict[str, Any]:
    """Where a result comes from; what describes the hardware imports torch, which is not worth it for an obituary."""
    from regimens.provenance import provenance

    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {**(provenance() if "torch" in sys.modules else {}), "started": started}
