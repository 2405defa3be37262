"""What one override of a command line says, by Hydra's grammar: the values of a sweep, or an interval."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

from regimens.core.errors import UserError, nearest

TAGS = ("log", "tune")
DECLARED = ("study.compared", "study.tuned")
MOST = 10_000  # values of one sweep
# Technique values are kept from Hydra's own composition of a multirun, which has the default option of each group and
# need not know them: `optimizer=momentum,nesterov optimizer.momentum=0.8`. Hydra leaves sweeps alone, so this is one.
HELD = re.compile(r"(.+?)=tag\(held,choice\(\[(.*)\]\)\)", re.DOTALL)


def parse(texts: Sequence[str], loader: Any = None) -> list[Any]:
    """Hydra's overrides; raises UserError for what its grammar does not know."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create(config_loader=loader).parse_overrides(list(texts))
    except HydraException as error:
        raise UserError(" ".join(str(error).split())) from None


def held(text: str, groups: Sequence[str]) -> str:
    """A plain value of a technique (`group.key=value`) as a sweep that `released` undoes; all else as it is.

    Those of DECLARED likewise, since Hydra merges no list with a mapping, and adds no keys to one.
    """
    key, equals, value = text.partition("=")
    inside = "." in key and key.lstrip("+").split(".")[0] in groups
    if not equals or not (inside or key.lstrip("+") in DECLARED):
        return text
    try:
        if parse([text])[0].is_sweep_override():
            return text
        hidden = f"{key}=tag(held,choice([{value}]))"
        return hidden if parse([hidden])[0].is_sweep_override() and released(hidden) == text else text
    except UserError:  # said by whoever reads it next
        return text


def released(text: str) -> str:
    """An override as it was before `held`."""
    found = HELD.fullmatch(text)
    return f"{found[1]}={found[2]}" if found else text


def values_of(override: Any) -> list[Any]:
    """The values of a choice, range or glob, as plain ones, in the order in which they are written (shuffled or not).

    Raises:
        UserError: a tag that means nothing here, or nothing to choose from.
    """
    from hydra.core.override_parser.types import Override
    from hydra.errors import HydraException

    sweep, text = override.value(), override.input_line
    _check_tags(sweep, text, log=False)
    if hasattr(sweep, "shuffle"):
        sweep.shuffle = False  # a study is the same study each time
    try:
        values = [Override._convert_value(value) for value in itertools.islice(override.sweep_iterator(), MOST + 1)]
    except (HydraException, ValueError) as error:
        raise UserError(f"{text}: {' '.join(str(error).split())}") from None
    if len(values) > MOST:
        raise UserError(f"{text}: more than {MOST} values")
    if not values:
        known = override.config_loader.get_group_options(override.key_or_group) if override.config_loader else []
        raise UserError(f"{text}: there is nothing of this name{nearest('', known) if known else ''}")
    return values


def interval(override: Any) -> dict[str, Any]:
    """The plain range of an interval sweep; raises UserError for a tag that means nothing."""
    sweep = override.value()
    _check_tags(sweep, override.input_line, log=True)
    return {"low": sweep.start, "high": sweep.end, "log": "log" in sweep.tags}


def _check_tags(sweep: Any, text: str | None, *, log: bool) -> None:
    for tag in sorted(getattr(sweep, "tags", ())):
        if tag not in TAGS:
            raise UserError(f"{text}: no such tag: {tag}{nearest(tag, TAGS)}")
        if tag == "log" and not log:
            raise UserError(f"{text}: log is for an interval, and this is a list of values")
